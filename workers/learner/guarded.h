// LibTorch reports its failures by exceptions; the learner's entry points turn them into errors.
#pragma once

#include <exception>

#include "data/base/status.h"

namespace prosodia {

template <class Function>
auto guarded(const Function& function) -> decltype(function()) {
  try {
    return function();
  } catch (const std::exception& error) {
    return fail(ErrorCode::kInternal, "learner: {}", error.what());
  }
}

}  // namespace prosodia
