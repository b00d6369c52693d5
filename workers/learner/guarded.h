// LibTorch reports its failures by exceptions: here they become errors. Internal to the learner.
#pragma once

#include <exception>
#include <string_view>

#include "data/base/status.h"

namespace prosodia {

// function() -> a Result. An exception becomes kInternal; the process then ends the whole group (finish_process), which
// may be waiting for this rank inside a collective.
template <class Function>
auto guarded(std::string_view who, const Function& function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, "{}: {}", who, error.what());
  }
}

}  // namespace prosodia
