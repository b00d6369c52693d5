// What a worker returns when the coordinator says Shutdown: OK, or an Error whose exit code is the one asked for.
// Pure function.
#pragma once

#include "data/base/status.h"
#include "orchestrator/protocol/messages.h"

namespace prosodia {

inline Status shutdown_status(const protocol::Shutdown& shutdown) {
  if (shutdown.exit_code == 0) return {};
  for (const ErrorCode code :
       {ErrorCode::kInterrupted, ErrorCode::kStorage, ErrorCode::kInvalidInput, ErrorCode::kUsage}) {
    if (exit_code(code) == shutdown.exit_code) return fail(code, "the coordinator ended the run: {}", shutdown.reason);
  }
  return fail(ErrorCode::kUnavailable, "the coordinator ended the run: {}", shutdown.reason);
}

}  // namespace prosodia
