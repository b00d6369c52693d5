// --keys: the credentials that a role presents. Also `prosodia keygen`, which makes them.
#pragma once

#include "data/base/status.h"
#include "orchestrator/cli/options.h"
#include "orchestrator/protocol/keys.h"

namespace prosodia::cli {

// Of --keys for this role; nullptr without --keys.
Result<protocol::CredentialsPtr> role_credentials(const Options& options, protocol::Principal role);

// What is wrong with --keys, --bind and --allow_plaintext_network, before any process starts: every role's keys load,
// and nothing would listen beyond loopback without them.
Status check_network_options(const Options& options);

}  // namespace prosodia::cli
