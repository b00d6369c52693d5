#include "orchestrator/protocol/keys.h"

#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <zmq.hpp>

#include "data/base/check.h"
#include "data/base/descriptor.h"

namespace prosodia::protocol {
namespace {

namespace fs = std::filesystem;

constexpr size_t kZ85KeyBytes = 40;
constexpr size_t kMaxKeyFileBytes = 4096;
constexpr size_t kMaxAllowListBytes = size_t{1} << 20;
constexpr mode_t kSecretMode = 0600, kPublicMode = 0644, kFolderMode = 0700;

fs::path key_file(const fs::path& dir, Principal principal) { return dir / fmt::format("{}.key", name(principal)); }
fs::path allow_list_file(const fs::path& dir) { return dir / "allow_list"; }

tl::unexpected<Error> unreadable(const fs::path& path, int error) {
  return fail(ErrorCode::kInvalidInput, "{}: {}. Next: prosodia keygen --output_dir {}", path.string(),
              std::strerror(error), path.parent_path().string());
}

enum class Secrecy { kPublic, kSecret };

// The checks are made on the open file, so that it cannot be swapped between check and read.
Result<std::string> read_small_file(const fs::path& path, size_t max_bytes, Secrecy secrecy) {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) < 0) return unreadable(path, errno);
  if (!S_ISREG(info.st_mode)) return fail(ErrorCode::kInvalidInput, "{}: not a regular file", path.string());
  if (secrecy == Secrecy::kSecret && (info.st_mode & 077) != 0) {
    return fail(ErrorCode::kInvalidInput,
                "{}: mode {:04o} lets others read or write this secret key; it is not used. Next: if nobody else has "
                "read it, chmod 600 {}; otherwise rotate it (prosodia keygen --rotate)",
                path.string(), info.st_mode & 07777, path.string());
  }
  if (static_cast<uint64_t>(info.st_size) > max_bytes) {
    return fail(ErrorCode::kInvalidInput, "{}: {} bytes, expected at most {}", path.string(), info.st_size, max_bytes);
  }
  std::string text(static_cast<size_t>(info.st_size), '\0');
  size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + filled, text.size() - filled);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, errno);
    if (got == 0) break;
    filled += static_cast<size_t>(got);
  }
  text.resize(filled);
  return text;
}

Status storage_failure(const fs::path& path, const char* action) {
  return fail(ErrorCode::kStorage, "{}: cannot {}: {}", path.string(), action, std::strerror(errno));
}

// Whole or not at all, and never readable by others in between. Durable on OK.
Status write_file(const fs::path& path, std::string_view text, mode_t mode) {
  const fs::path temporary = path.string() + ".tmp";
  (void)::unlink(temporary.c_str());
  {
    const Descriptor fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
    if (!fd.valid()) return storage_failure(temporary, "create it");
    if (::fchmod(fd.get(), mode) < 0) return storage_failure(temporary, "set its mode");
    while (!text.empty()) {
      const ssize_t written = ::write(fd.get(), text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) return storage_failure(temporary, "write it");
      text.remove_prefix(static_cast<size_t>(written));
    }
    if (::fsync(fd.get()) < 0) return storage_failure(temporary, "sync it");
  }
  if (::rename(temporary.c_str(), path.c_str()) < 0) return storage_failure(path, "rename it into place");
  const Descriptor folder(::open(path.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder.valid() || ::fsync(folder.get()) < 0) return storage_failure(path.parent_path(), "sync the folder");
  return {};
}

std::vector<std::string_view> words(std::string_view line) {
  std::vector<std::string_view> found;
  while (true) {
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return found;
    line.remove_prefix(begin);
    const size_t end = std::min(line.find_first_of(" \t\r"), line.size());
    found.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
}

template <class F>
Status for_each_line(std::string_view text, F&& each) {
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto found = words(line);
    if (found.empty() || line.starts_with('#')) continue;
    PROSODIA_TRY(each(number, found));
  }
  return {};
}

bool is_z85_key(std::string_view text) {
  uint8_t decoded[32];
  return text.size() == kZ85KeyBytes && zmq_z85_decode(decoded, std::string(text).c_str()) != nullptr;
}

struct KeyPair {
  std::string public_key;
  SecretKey secret_key;
};

KeyPair make_pair() {
  char public_key[kZ85KeyBytes + 1], secret_key[kZ85KeyBytes + 1];
  PROSODIA_CHECK(zmq_curve_keypair(public_key, secret_key) == 0, "zmq_curve_keypair: {}", zmq_strerror(zmq_errno()));
  KeyPair pair{std::string(public_key), SecretKey(std::string(secret_key))};
  sodium_memzero(secret_key, sizeof(secret_key));
  return pair;
}

Status write_key_file(const fs::path& dir, Principal principal, const KeyPair& pair) {
  std::string text =
      fmt::format("# Prosodia key pair of role {}. Keep this file to yourself (0600).\npublic {}\nsecret {}\n",
                  name(principal), pair.public_key, pair.secret_key.z85());
  const Status status = write_file(key_file(dir, principal), text, kSecretMode);
  sodium_memzero(text.data(), text.size());
  return status;
}

}  // namespace

std::string_view name(Principal principal) {
  const auto role = role_of(principal);
  return role ? name(*role) : "coordinator";
}

std::optional<Principal> principal_named(std::string_view text) {
  const auto* found = std::ranges::find_if(kPrincipals, [&](Principal principal) { return name(principal) == text; });
  return found == std::end(kPrincipals) ? std::nullopt : std::optional(*found);
}

Principal principal_of(Role role) {
  const auto* found =
      std::ranges::find_if(kPrincipals, [&](Principal principal) { return role_of(principal) == role; });
  PROSODIA_CHECK(found != std::end(kPrincipals), "role {}", name(role));
  return *found;
}

std::optional<Role> role_of(Principal principal) {
  switch (principal) {
    case Principal::kCoordinator:
      return std::nullopt;
    case Principal::kLearner:
      return Role::kLearner;
    case Principal::kRollout:
      return Role::kRollout;
    case Principal::kReward:
      return Role::kReward;
  }
  return std::nullopt;
}

SecretKey::~SecretKey() { sodium_memzero(z85_.data(), z85_.size()); }

Result<AllowList> AllowList::parse(std::string_view text, std::string_view where) {
  AllowList list;
  PROSODIA_TRY(for_each_line(text, [&](int number, const std::vector<std::string_view>& found) -> Status {
    const auto principal = principal_named(found[0]);
    if (found.size() != 2 || !principal || !is_z85_key(found[1])) {
      return fail(ErrorCode::kInvalidInput,
                  "{}:{}: expected 'ROLE PUBLIC_KEY' with coordinator, learner, rollout or reward and 40 characters",
                  where, number);
    }
    if (const auto other = list.find(found[1]); other && *other != *principal) {
      return fail(ErrorCode::kInvalidInput, "{}:{}: this key is already that of {}: a key speaks for one role", where,
                  number, name(*other));
    }
    list.add(*principal, std::string(found[1]));
    return {};
  }));
  return list;
}

Result<AllowList> AllowList::load(const fs::path& file) {
  PROSODIA_ASSIGN(const std::string text, read_small_file(file, kMaxAllowListBytes, Secrecy::kPublic));
  return parse(text, file.string());
}

std::optional<Principal> AllowList::find(std::string_view public_key) const {
  const auto found = std::ranges::find_if(keys_, [&](const auto& entry) { return entry.second == public_key; });
  return found == keys_.end() ? std::nullopt : std::optional(found->first);
}

std::vector<std::string> AllowList::keys_of(Principal principal) const {
  std::vector<std::string> keys;
  for (const auto& [owner, key] : keys_) {
    if (owner == principal) keys.push_back(key);
  }
  return keys;
}

std::string AllowList::text() const {
  std::string text =
      "# Public keys that a run's processes accept: ROLE PUBLIC_KEY. Several lines a role while a key is rotated.\n";
  for (const auto& [owner, key] : keys_) text += fmt::format("{} {}\n", name(owner), key);
  return text;
}

Result<CredentialsPtr> load_credentials(const fs::path& dir, Principal self) {
  const fs::path file = key_file(dir, self);
  PROSODIA_ASSIGN(std::string text, read_small_file(file, kMaxKeyFileBytes, Secrecy::kSecret));
  std::string public_key, secret_key;
  const Status parsed = for_each_line(text, [&](int number, const std::vector<std::string_view>& found) -> Status {
    const bool known = found[0] == "public" || found[0] == "secret";
    if (!known || found.size() != 2 || !is_z85_key(found[1])) {
      return fail(ErrorCode::kInvalidInput, "{}:{}: expected 'public KEY' and 'secret KEY' of 40 characters",
                  file.string(), number);
    }
    (found[0] == "public" ? public_key : secret_key) = found[1];
    return {};
  });
  sodium_memzero(text.data(), text.size());
  PROSODIA_TRY(parsed);
  SecretKey secret(std::move(secret_key));
  char derived[kZ85KeyBytes + 1] = {};
  if (!is_z85_key(secret.z85()) || zmq_curve_public(derived, secret.z85().c_str()) != 0 || public_key != derived) {
    return fail(ErrorCode::kInvalidInput, "{}: public and secret key do not belong together. Next: prosodia keygen",
                file.string());
  }
  PROSODIA_TRY(AllowList::load(allow_list_file(dir)));  // malformed: better known now than at the first connection
  return std::make_shared<const Credentials>(
      Credentials{self, std::move(public_key), std::move(secret), allow_list_file(dir)});
}

Status generate_keys(const fs::path& dir) {
  if (::mkdir(dir.c_str(), kFolderMode) < 0 && errno != EEXIST) return storage_failure(dir, "create the folder");
  std::vector<fs::path> files = {allow_list_file(dir)};
  for (const Principal principal : kPrincipals) files.push_back(key_file(dir, principal));
  for (const fs::path& file : files) {
    if (!fs::exists(file)) continue;
    return fail(ErrorCode::kUsage, "{} exists already. Next: another --output_dir, or --rotate ROLE for a new key",
                file.string());
  }
  AllowList list;
  for (const Principal principal : kPrincipals) {
    const KeyPair pair = make_pair();
    PROSODIA_TRY(write_key_file(dir, principal, pair));
    list.add(principal, pair.public_key);
  }
  return write_file(allow_list_file(dir), list.text(), kPublicMode);
}

Status rotate_key(const fs::path& dir, Principal principal) {
  PROSODIA_ASSIGN(const AllowList before, AllowList::load(allow_list_file(dir)));
  const KeyPair pair = make_pair();
  AllowList after;
  after.add(principal, pair.public_key);
  for (const Principal owner : kPrincipals) {
    for (std::string& key : before.keys_of(owner)) after.add(owner, std::move(key));
  }
  // The list first: a crash in between leaves a key that is allowed and that nobody has.
  PROSODIA_TRY(write_file(allow_list_file(dir), after.text(), kPublicMode));
  return write_key_file(dir, principal, pair);
}

}  // namespace prosodia::protocol
