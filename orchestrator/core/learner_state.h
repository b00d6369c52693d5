// The learner as the coordinator sees it: one group of ranks at a time (a learner epoch), fenced by its process epoch.
// The lifecycle is LearnerLifecycle::kTable below.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "data/base/digest.h"
#include "data/base/ids.h"
#include "orchestrator/core/lifecycle.h"

namespace prosodia::core {

enum class LearnerState : uint8_t { kAbsent, kLoading, kIdle, kTraining };
enum class LearnerEvent : uint8_t {
  kHelloFresh,
  kHelloRunning,
  kHelloAhead,
  kWeightsReady,
  kBatchSent,
  kStepDone,
  kLost,
  kStuck
};

struct LearnerLifecycle {
  using State = LearnerState;
  using Event = LearnerEvent;
  static constexpr std::string_view kName = "learner";
  static constexpr std::array<std::string_view, 4> kStates = {"absent", "loading", "idle", "training"};
  static constexpr std::array<EventInfo, 8> kEvents = {
      {{"hello_fresh", Cause::kUs},      // it offers checkpoints; Welcome names the version to start from
       {"hello_running", Cause::kUs},    // the coordinator restarted, or took it for dead
       {"hello_ahead", Cause::kUs},      // … and its StepDone for the step in the journal is on the way
       {"weights_ready", Cause::kPeer},  //
       {"batch_sent", Cause::kUs},       //
       {"step_done", Cause::kUs},        // of the batch it was sent; others do not concern this table
       {"lost", Cause::kUs},             // silence, Goodbye, or a newer learner
       {"stuck", Cause::kUs}}};          // no progress for learner_timeout_ms: a rank stopped, or a collective hangs
  static constexpr Transition<State, Event> kTable[] = {
      // state            event                 next              reason
      {State::kAbsent, Event::kHelloFresh, State::kLoading, "started"},
      {State::kAbsent, Event::kHelloRunning, State::kIdle, "went_on"},
      {State::kAbsent, Event::kHelloAhead, State::kTraining, "went_on"},
      {State::kLoading, Event::kWeightsReady, State::kIdle, ""},  // next_step = the newest version served
      {State::kLoading, Event::kLost, State::kAbsent, "lost"},
      {State::kLoading, Event::kStuck, State::kAbsent, "stuck"},
      {State::kIdle, Event::kWeightsReady, State::kIdle, ""},   //
      {State::kIdle, Event::kBatchSent, State::kTraining, ""},  // StepBatch(next_step), maybe a replay
      {State::kIdle, Event::kLost, State::kAbsent, "lost"},
      {State::kIdle, Event::kStuck, State::kAbsent, "stuck"},  // a checkpoint was asked for and does not come
      {State::kTraining, Event::kWeightsReady, State::kTraining, ""},
      {State::kTraining, Event::kStepDone, State::kIdle, ""},  // next_step + 1
      {State::kTraining, Event::kLost, State::kAbsent, "lost"},
      {State::kTraining, Event::kStuck, State::kAbsent, "stuck"},
  };
};

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
  uint64_t progress = 0;         // counter of the batch in work
  int64_t last_progress_ms = 0;  // it grew, or the learner said anything but Heartbeat
};

}  // namespace prosodia::core
