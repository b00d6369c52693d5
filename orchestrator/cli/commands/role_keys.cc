#include "orchestrator/cli/commands/role_keys.h"

#include <fmt/core.h>

#include "orchestrator/cli/commands/command.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::cli {

Result<protocol::CredentialsPtr> role_credentials(const Options& options, protocol::Principal role) {
  if (options.text("keys").empty()) return protocol::CredentialsPtr();
  return protocol::load_credentials(options.text("keys"), role);
}

Status check_network_options(const Options& options) {
  for (const protocol::Principal role : protocol::kPrincipals) PROSODIA_TRY(role_credentials(options, role));
  const bool plain = options.text("keys").empty();
  const auto exposure = !plain                                    ? protocol::Exposure::kEncrypted
                        : options.flag("allow_plaintext_network") ? protocol::Exposure::kPlaintextAllowed
                                                                  : protocol::Exposure::kPlaintext;
  return protocol::check_bind_endpoint(fmt::format("tcp://{}:*", options.text("bind")), exposure);
}

Result<int> run_keygen(const Options& options, const CommandContext&) {
  PROSODIA_ASSIGN(const std::string dir, options.required("output_dir"));
  if (const std::string& role = options.text("rotate"); !role.empty()) {
    PROSODIA_TRY(protocol::rotate_key(dir, *protocol::principal_named(role)));
    fmt::print(
        "new key pair in {0}/{1}.key; its public key is the first of {1} in {0}/allow_list, the old one below stays "
        "allowed\nnext: copy both files to where {1} runs and the allow_list to every machine of the run, restart {1}, "
        "then delete the old line\n",
        dir, role);
    return 0;
  }
  PROSODIA_TRY(protocol::generate_keys(dir));
  fmt::print(
      "wrote {0}/coordinator.key, learner.key, rollout.key, reward.key (secret, 0600) and {0}/allow_list (public)\n"
      "next: prosodia train --keys {0} …; a machine of its own needs allow_list and the key files of its roles\n",
      dir);
  return 0;
}

}  // namespace prosodia::cli
