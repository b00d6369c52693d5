#include "orchestrator/core/learner_state.h"

#include "data/base/check.h"

namespace prosodia::core {

std::optional<LearnerState> next_state(LearnerState state, LearnerEvent event) {
  using S = LearnerState;
  using E = LearnerEvent;
  if (event == E::kLost) return state == S::kAbsent ? std::nullopt : std::optional(S::kAbsent);
  switch (state) {
    case S::kAbsent:
      if (event == E::kHelloFresh) return S::kLoading;
      if (event == E::kHelloRunning) return S::kIdle;
      if (event == E::kHelloAhead) return S::kTraining;
      break;
    case S::kLoading:
      if (event == E::kWeightsReady) return S::kIdle;
      break;
    case S::kIdle:
      if (event == E::kBatchSent) return S::kTraining;
      if (event == E::kStepDone) return S::kIdle;
      break;
    case S::kTraining:
      if (event == E::kStepDone) return S::kIdle;
      break;
  }
  return std::nullopt;
}

void Learner::apply(LearnerEvent event) {
  const auto next = next_state(state, event);
  PROSODIA_CHECK(next.has_value(), "learner in state {}: event {}", static_cast<int>(state), static_cast<int>(event));
  state = *next;
}

}  // namespace prosodia::core
