// Whether the learner's newest step lies in a checkpoint, as the coordinator knows it. The table is kTable below.
#pragma once

#include <array>

#include "orchestrator/core/lifecycle.h"

namespace prosodia::core {

// kSaved: the newest checkpoint holds every trained step. kBehind: it does not. kRequested: … and one was asked for.
enum class CheckpointState : uint8_t { kSaved, kBehind, kRequested };
enum class CheckpointEvent : uint8_t {
  kStepTrained,
  kRequest,
  kCommitNewest,
  kCommitOlder,
  kCommitKnown,
  kCommitAhead,
  kLearnerLost
};

struct CheckpointLifecycle {
  using State = CheckpointState;
  using Event = CheckpointEvent;
  static constexpr std::string_view kName = "checkpoint";
  static constexpr std::array<std::string_view, 3> kStates = {"saved", "behind", "requested"};
  static constexpr std::array<EventInfo, 7> kEvents = {{{"step_trained", Cause::kUs},
                                                        {"request", Cause::kUs},  // a stop, or the run's end
                                                        // CheckpointCommitted of version v, newest known c, t trained:
                                                        {"commit_newest", Cause::kPeer},  // c < v = t
                                                        {"commit_older", Cause::kPeer},   // c < v < t
                                                        {"commit_known", Cause::kPeer},   // v <= c
                                                        {"commit_ahead", Cause::kPeer},   // v > t: its StepDone is late
                                                        {"learner_lost", Cause::kUs}}};
  static constexpr Transition<State, Event> kTable[] = {
      // state           event                  next               reason          journaled before it shows
      {State::kSaved, Event::kStepTrained, State::kBehind, ""},
      {State::kSaved, Event::kRequest, State::kSaved, "requested"},  // of a learner that replays
      {State::kSaved, Event::kCommitKnown, State::kSaved, "known"},
      {State::kSaved, Event::kLearnerLost, State::kSaved, ""},
      {State::kBehind, Event::kStepTrained, State::kBehind, ""},
      {State::kBehind, Event::kRequest, State::kRequested, "requested"},
      {State::kBehind, Event::kCommitNewest, State::kSaved, "committed"},  // CheckpointSaved
      {State::kBehind, Event::kCommitOlder, State::kBehind, "committed"},  // CheckpointSaved
      {State::kBehind, Event::kCommitKnown, State::kBehind, "known"},      //
      {State::kBehind, Event::kLearnerLost, State::kBehind, ""},           //
      {State::kRequested, Event::kStepTrained, State::kRequested, ""},     // it was in work
      {State::kRequested, Event::kRequest, State::kRequested, "requested_again"},
      {State::kRequested, Event::kCommitNewest, State::kSaved, "committed"},  // CheckpointSaved
      {State::kRequested, Event::kCommitOlder, State::kRequested, "committed"},
      {State::kRequested, Event::kCommitKnown, State::kRequested, "known"},
      {State::kRequested, Event::kLearnerLost, State::kBehind, "request_lost"},
  };
};

}  // namespace prosodia::core
