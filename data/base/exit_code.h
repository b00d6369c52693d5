// The inverse of exit_code (status.h): what a peer's exit code (its process's, or in a Shutdown message) means to us;
// nothing for 0. Codes that stand for several errors give the one that says least: 5 is kStorage; 4, a peer's own fault
// (1) and anything unknown are kUnavailable. Pure function.
#pragma once

#include <optional>

#include "data/base/status.h"

namespace prosodia {

std::optional<ErrorCode> error_code_of_exit(int exit_code);

}  // namespace prosodia
