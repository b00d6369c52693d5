// The learner as the coordinator sees it: one group of ranks at a time, fenced by its process epoch.
//
// | state     | event         | next      | effect                                                              |
// |-----------|---------------|-----------|---------------------------------------------------------------------|
// | kAbsent   | kHelloFresh   | kLoading  | Welcome names the version to start from                             |
// | kAbsent   | kHelloRunning | kIdle     | it goes on from its newest version (the coordinator restarted)      |
// | kAbsent   | kHelloAhead   | kTraining | … and its StepDone for the step in the journal is on the way         |
// | kLoading  | kWeightsReady | kIdle     | next_step = the newest version served; rollouts may be granted      |
// | kIdle     | kBatchSent    | kTraining | StepBatch(next_step), a replay when that step was trained before    |
// | kTraining | kStepDone     | kIdle     | next_step + 1                                                       |
// | kIdle     | kStepDone     | kIdle     | of a batch that an earlier life of the coordinator sent             |
// | any but kAbsent | kLost   | kAbsent   | silence, Goodbye, or a newer learner                                |
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "data/base/digest.h"
#include "data/base/ids.h"

namespace prosodia::core {

enum class LearnerState : uint8_t { kAbsent, kLoading, kIdle, kTraining };
enum class LearnerEvent : uint8_t {
  kHelloFresh,
  kHelloRunning,
  kHelloAhead,
  kWeightsReady,
  kBatchSent,
  kStepDone,
  kLost
};
std::optional<LearnerState> next_state(LearnerState state, LearnerEvent event);

struct Learner {
  LearnerState state = LearnerState::kAbsent;
  std::string peer;
  std::string weights_endpoint;
  PolicyVersion resume_version;            // as its Welcome said
  StepId next_step;                        // what it trains next; meaningful in kIdle and kTraining
  std::map<PolicyVersion, Digest> served;  // announced
  uint64_t served_seq = 0;                 // of the announcement; an older one that arrives later is ignored
  LeaseId lease;                           // of the batch in work
  int64_t batch_sent_ms = 0;
  int64_t idle_since_ms = 0;

  void apply(LearnerEvent event);  // aborts on an unlisted pair
};

}  // namespace prosodia::core
