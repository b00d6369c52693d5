// What each role may say. The role is the one of the peer's key when the port is encrypted, the one of its Hello when
// it is not. The coordinator asks before it looks into a message.
//
// | role    | may send                                                                       |
// |---------|--------------------------------------------------------------------------------|
// | rollout | Hello, Heartbeat, Goodbye, TaskFailed, RolloutResult                           |
// | reward  | Hello, Heartbeat, Goodbye, TaskFailed, RewardResult                            |
// | learner | Hello, Heartbeat, Goodbye, WeightsReady, StepDone, CheckpointCommitted         |
//
// Pure function. Called by RunCore.
#pragma once

#include "orchestrator/protocol/messages.h"

namespace prosodia::protocol {

constexpr bool may_send(Role role, MessageType type) {
  switch (type) {
    case MessageType::kHello:
    case MessageType::kHeartbeat:
    case MessageType::kGoodbye:
      return true;
    case MessageType::kTaskFailed:
      return role == Role::kRollout || role == Role::kReward;
    case MessageType::kRolloutResult:
      return role == Role::kRollout;
    case MessageType::kRewardResult:
      return role == Role::kReward;
    case MessageType::kWeightsReady:
    case MessageType::kStepDone:
    case MessageType::kCheckpointCommitted:
      return role == Role::kLearner;
    default:  // what only a coordinator or a weights server says
      return false;
  }
}

}  // namespace prosodia::protocol
