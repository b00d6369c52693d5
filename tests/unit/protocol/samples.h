// One filled-in example of every message, for the codec tests.
#pragma once

#include "orchestrator/protocol/messages.h"

namespace prosodia::protocol::testing {

inline Digest digest(uint64_t value) { return DigestBuilder().add(value).finish(); }

inline Hello hello() {
  Hello m;
  m.role = Role::kLearner;
  m.name = "learner-ä";
  m.config_digest = digest(1);
  m.slots = 3;
  m.resumable = {PolicyVersion(0), PolicyVersion(20)};
  m.served = {{PolicyVersion(21), digest(21)}};
  m.weights_endpoint = "tcp://127.0.0.1:4711";
  return m;
}

inline RolloutResult rollout_result() {
  RolloutResult m{GroupId(7), PolicyVersion(3), 42, {}, 1.5};
  m.completions.push_back({{1, 2, -3}, {-0.5f, -1.25f, -0.0f}, FinishReason::kLength, "<think>a</think>"});
  m.completions.push_back({{}, {}, FinishReason::kStop, ""});
  return m;
}

inline RewardResult reward_result() {
  RewardResult m{GroupId(7), 0.75, 1.0, {}, 0.25};
  m.responses.push_back({true, true, ReasoningStatus::kValue, 1, 1, {1, 2, 3, 4}, 0.5, 3, 2, 0.66, 1.6, ""});
  m.responses.push_back({true, false, ReasoningStatus::kTimeout, 1, 0, {}, 0, 0, 0, 0, 0, "no answer within 30 s"});
  return m;
}

inline BatchGroup batch_group() { return {GroupId(7), R"({"id":"u1"})", 99, rollout_result(), reward_result()}; }

inline StepBatch step_batch() {
  StepBatch m;
  m.step = StepId(5);
  m.replay = true;
  m.groups = {batch_group(), batch_group()};
  m.batch_digest = digest_of(m.groups);
  return m;
}

// Calls visit(message) for each kind.
template <class F>
void for_each_message(F&& visit) {
  visit(hello());
  visit(Heartbeat{{{LeaseId(1), 10}, {LeaseId(2), 20}}});
  visit(rollout_result());
  visit(reward_result());
  visit(TaskFailed{GroupId(7), ErrorCode::kInvalidInput, "a.wav: not a sound file"});
  visit(WeightsReady{{{PolicyVersion(1), digest(1)}}});
  visit(StepDone{StepId(4), PolicyVersion(5), digest(1), digest(2), -0.125, {{"kl", 0.5}, {"grad_norm", 2}}});
  visit(CheckpointCommitted{PolicyVersion(5), "RUN/checkpoints/step-000005"});
  visit(Goodbye{"done"});
  visit(Welcome{RunId(77), 1, 500, 2, PolicyVersion(20)});
  visit(Reject{RejectCode::kConfigDigest, "expected a, seen b"});
  visit(HelloRequest{});
  visit(Ping{});
  visit(TaskRollout{GroupId(7), StepId(5), PolicyVersion(4), "tcp://127.0.0.1:1", digest(4), 8, 123, R"({"a":1})"});
  visit(TaskReward{GroupId(7), StepId(5), true, 0.5, 2, R"({"a":1})", {{"text", 3, FinishReason::kStop}}});
  visit(batch_group());
  visit(step_batch());
  visit(CheckpointRequest{"stop requested"});
  visit(ResultAck{12});
  visit(Refused{12, RefusalReason::kDuplicate, "group 7 is sampled"});
  visit(CancelLease{});
  visit(Shutdown{6, "interrupted"});
  visit(GetWeights{PolicyVersion(3), 1 << 20, 4096});
  visit(WeightsChunk{PolicyVersion(3), 1 << 21, 1 << 20, 4096, 0xABCD, digest(3)});
  visit(WeightsMissing{PolicyVersion(3), "not served"});
}

}  // namespace prosodia::protocol::testing
