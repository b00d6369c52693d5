// CURVE keys: one pair per role, secret keys in files that only their owner can read, public keys in one allow-list.
//
//   KEYS/coordinator.key  learner.key  rollout.key  reward.key    0600: public and secret key of the role (Z85)
//   KEYS/allow_list                                               0644: lines "ROLE PUBLIC_KEY", several a role while a
//                                                                 key is rotated; '#' starts a comment line
// A machine needs the files of the roles that run there, and the allow-list. Rotation and threat model: SECURITY.md.
//
// Called by: `prosodia keygen`, the roles when --keys is given, the Gatekeeper. Thread rule: values; any thread.
// Failure rule: kInvalidInput names the file and what to do: missing, malformed, a secret that group or others can
// read, a public key that does not belong to the secret one. Key material never enters a message, a log or argv.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/base/status.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia::protocol {

// Whom a key speaks for: the coordinator, or a worker of one Role.
enum class Principal : uint8_t { kCoordinator, kLearner, kRollout, kReward };
inline constexpr Principal kPrincipals[] = {Principal::kCoordinator, Principal::kLearner, Principal::kRollout,
                                            Principal::kReward};
std::string_view name(Principal principal);  // "coordinator", …
std::optional<Principal> principal_named(std::string_view name);
Principal principal_of(Role role);
std::optional<Role> role_of(Principal principal);  // nullopt for the coordinator

// 40 characters of Z85 that are wiped from memory when they go. Cannot be printed.
class SecretKey {
 public:
  explicit SecretKey(std::string z85) : z85_(std::move(z85)) {}
  SecretKey(SecretKey&&) noexcept = default;
  SecretKey(const SecretKey&) = delete;
  SecretKey& operator=(const SecretKey&) = delete;
  ~SecretKey();
  const std::string& z85() const { return z85_; }

 private:
  std::string z85_;
};

// Public keys (Z85) by principal.
class AllowList {
 public:
  static Result<AllowList> load(const std::filesystem::path& file);
  static Result<AllowList> parse(std::string_view text, std::string_view where);
  std::optional<Principal> find(std::string_view public_key) const;
  std::vector<std::string> keys_of(Principal principal) const;  // in file order
  void add(Principal principal, std::string public_key) { keys_.emplace_back(principal, std::move(public_key)); }
  std::string text() const;

 private:
  std::vector<std::pair<Principal, std::string>> keys_;
};

// What a process needs to speak CURVE: who it is, its key pair, and where the allow-list lies (read anew when a
// connection is made, so that an edited list takes effect without a restart).
struct Credentials {
  Principal self{};
  std::string public_key;
  SecretKey secret_key;
  std::filesystem::path allow_list;
};
// nullptr as credentials means plaintext, everywhere.
using CredentialsPtr = std::shared_ptr<const Credentials>;
Result<CredentialsPtr> load_credentials(const std::filesystem::path& dir, Principal self);

// Writes four key files and the allow-list into `dir` (made 0700 when missing). Refuses to touch keys that exist.
Status generate_keys(const std::filesystem::path& dir);
// Replaces the role's key file and adds the new public key in front of the role's others in the allow-list. The old
// public key stays allowed until its line is removed.
Status rotate_key(const std::filesystem::path& dir, Principal principal);

}  // namespace prosodia::protocol
