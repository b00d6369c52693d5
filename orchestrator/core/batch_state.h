// The batch of one step, from collecting its groups to trained weights; replays included. The table is kTable below.
#pragma once

#include <array>

#include "orchestrator/core/lifecycle.h"

namespace prosodia::core {

enum class BatchState : uint8_t { kCollecting, kReady, kSent, kTrained, kReplaying };
enum class BatchEvent : uint8_t { kComplete, kSend, kResend, kLearnerLost, kStepDone, kRecovered };

struct BatchLifecycle {
  using State = BatchState;
  using Event = BatchEvent;
  static constexpr std::string_view kName = "batch";
  static constexpr std::array<std::string_view, 5> kStates = {"collecting", "ready", "sent", "trained", "replaying"};
  static constexpr std::array<EventInfo, 6> kEvents = {{{"complete", Cause::kUs},      // every group is scored
                                                        {"send", Cause::kUs},          // StepBatch
                                                        {"resend", Cause::kUs},        // … did not arrive
                                                        {"learner_lost", Cause::kUs},  //
                                                        {"step_done", Cause::kPeer},   //
                                                        {"recovered", Cause::kUs}}};   // an earlier life's StepTrained
  static constexpr Transition<State, Event> kTable[] = {
      // state            event                next                reason           journaled before it shows
      {State::kCollecting, Event::kComplete, State::kReady, ""},           // StepBatched
      {State::kReady, Event::kSend, State::kSent, ""},                     //
      {State::kReady, Event::kRecovered, State::kTrained, ""},             // read from the journal
      {State::kSent, Event::kResend, State::kSent, "resent"},              //
      {State::kSent, Event::kLearnerLost, State::kReady, "returned"},      //
      {State::kSent, Event::kStepDone, State::kTrained, ""},               // StepTrained
      {State::kTrained, Event::kSend, State::kReplaying, ""},              // the learner resumed from before it
      {State::kTrained, Event::kStepDone, State::kTrained, "done_again"},  // our acknowledgement was lost
      {State::kReplaying, Event::kResend, State::kReplaying, "resent"},
      {State::kReplaying, Event::kLearnerLost, State::kTrained, "returned"},
      {State::kReplaying, Event::kStepDone, State::kTrained, "replayed"},  // StepTrained only when its bits differ
  };
};

}  // namespace prosodia::core
