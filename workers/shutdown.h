// What a worker returns when the coordinator says Shutdown: OK, or an Error whose exit code is the one asked for.
// Pure function.
#pragma once

#include "data/base/exit_code.h"
#include "data/base/status.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia {

inline Status shutdown_status(const protocol::Shutdown& shutdown) {
  const auto code = error_code_of_exit(shutdown.exit_code);
  if (!code) return {};
  return fail(*code, "the coordinator ended the run: {}", shutdown.reason);
}

}  // namespace prosodia
