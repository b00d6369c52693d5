#include "orchestrator/protocol/messages.h"

#include "orchestrator/protocol/message_codec.h"

namespace prosodia::protocol {

namespace {

// ------------------------------------------------------------------------------------------------ parts

template <class A, class M>
void visit(A& a, M& m, Of<Completion>) {
  a.array(m.token_ids, Limits::kTokens);
  a.array(m.logprobs, Limits::kTokens);
  a.require(m.token_ids.size() == m.logprobs.size());
  a.enumerator(m.finish_reason, FinishReason::kStop, FinishReason::kLength);
  a.text(m.text, Limits::kTextBytes);
}

template <class A, class M>
void visit(A& a, M& m, Of<ResponseScore>) {
  a.flag(m.scored);
  a.flag(m.present);
  a.enumerator(m.reasoning_status, ReasoningStatus::kValue, ReasoningStatus::kNotRequested);
  a.number(m.format);
  a.number(m.accuracy);
  for (auto& criterion : m.criteria) a.number(criterion);
  a.number(m.reasoning);
  a.number(m.claims);
  a.number(m.true_claims);
  a.number(m.faithfulness);
  a.number(m.total);
  a.reason(m.detail, Limits::kReasonBytes);
}

template <class A, class M>
void visit(A& a, M& m, Of<ServedVersion>) {
  a.id(m.version);
  a.digest(m.digest);
}

// ---------------------------------------------------------------------------------------- worker -> coordinator

template <class A, class M>
void visit(A& a, M& m, Of<Hello>) {
  // The two versions come first and stay first in every protocol version, so that any release can refuse any other.
  a.number(m.protocol_min);
  a.number(m.protocol_max);
  a.enumerator(m.role, Role::kRollout, Role::kLearner);
  a.text(m.name, Limits::kNameBytes);
  a.digest(m.config_digest);
  a.number(m.slots);
  a.list(m.resumable, Limits::kVersions, 8, [&](auto& version) { a.id(version); });
  a.list(m.served, Limits::kVersions, 40, [&](auto& served) { visit(a, served, Of<ServedVersion>{}); });
  a.text(m.weights_endpoint, Limits::kEndpointBytes);
}

template <class A, class M>
void visit(A& a, M& m, Of<Heartbeat>) {
  a.list(m.leases, Limits::kLeases, 16, [&](auto& lease) {
    a.id(lease.lease);
    a.number(lease.progress);
  });
}

template <class A, class M>
void visit(A& a, M& m, Of<RolloutResult>) {
  a.id(m.group_id);
  a.id(m.policy_version);
  a.number(m.prompt_token_count);
  a.list(m.completions, Limits::kCompletions, 13, [&](auto& completion) { visit(a, completion, Of<Completion>{}); });
  a.number(m.seconds);
}

template <class A, class M>
void visit(A& a, M& m, Of<RewardResult>) {
  a.id(m.group_id);
  a.number(m.tau);
  a.number(m.gate);
  a.list(m.responses, Limits::kCompletions, 87, [&](auto& response) { visit(a, response, Of<ResponseScore>{}); });
  a.number(m.seconds);
}

template <class A, class M>
void visit(A& a, M& m, Of<TaskFailed>) {
  a.id(m.group_id);
  a.enumerator(m.code, ErrorCode::kUsage, ErrorCode::kInternal);
  a.reason(m.message, Limits::kReasonBytes);
}

template <class A, class M>
void visit(A& a, M& m, Of<WeightsReady>) {
  a.list(m.served, Limits::kVersions, 40, [&](auto& served) { visit(a, served, Of<ServedVersion>{}); });
}

template <class A, class M>
void visit(A& a, M& m, Of<StepDone>) {
  a.id(m.step);
  a.id(m.new_version);
  a.digest(m.batch_digest);
  a.digest(m.weights_digest);
  a.number(m.loss);
  a.list(m.metrics, Limits::kMetrics, 12, [&](auto& metric) {
    a.text(metric.first, Limits::kNameBytes);
    a.number(metric.second);
  });
}

template <class A, class M>
void visit(A& a, M& m, Of<CheckpointCommitted>) {
  a.id(m.version);
  a.text(m.path, Limits::kReasonBytes);
}

template <class A, class M>
void visit(A& a, M& m, Of<Goodbye>) {
  a.reason(m.reason, Limits::kReasonBytes);
}

// ---------------------------------------------------------------------------------------- coordinator -> worker

template <class A, class M>
void visit(A& a, M& m, Of<Welcome>) {
  a.id(m.run_id);
  a.number(m.protocol);
  a.number(m.heartbeat_ms);
  a.number(m.life);
  a.id(m.resume_version);
}

template <class A, class M>
void visit(A& a, M& m, Of<Reject>) {
  a.enumerator(m.code, RejectCode::kProtocolVersion, RejectCode::kForeignRole);
  a.reason(m.reason, Limits::kReasonBytes);
}

template <class A, class M>
void visit(A&, M&, Of<HelloRequest>) {}

template <class A, class M>
void visit(A&, M&, Of<Ping>) {}

template <class A, class M>
void visit(A& a, M& m, Of<TaskRollout>) {
  a.id(m.group_id);
  a.id(m.step);
  a.id(m.policy_version);
  a.text(m.weights_endpoint, Limits::kEndpointBytes);
  a.digest(m.weights_digest);
  a.number(m.num_generations);
  a.number(m.seed);
  a.text(m.row_json, Limits::kRowBytes);
}

template <class A, class M>
void visit(A& a, M& m, Of<TaskReward>) {
  a.id(m.group_id);
  a.id(m.step);
  a.flag(m.need_reasoning);
  a.number(m.gate);
  a.number(m.attempt);
  a.text(m.row_json, Limits::kRowBytes);
  a.list(m.completions, Limits::kCompletions, 9, [&](auto& response) {
    a.text(response.text, Limits::kTextBytes);
    a.number(response.token_count);
    a.enumerator(response.finish_reason, FinishReason::kStop, FinishReason::kLength);
  });
}

template <class A, class M>
void visit(A& a, M& m, Of<BatchGroup>) {
  a.id(m.group_id);
  a.text(m.row_json, Limits::kRowBytes);
  a.number(m.seed);
  visit(a, m.rollout, Of<RolloutResult>{});
  visit(a, m.reward, Of<RewardResult>{});
  a.require(m.rollout.completions.size() == m.reward.responses.size());
}

template <class A, class M>
void visit(A& a, M& m, Of<StepBatch>) {
  a.id(m.step);
  a.digest(m.batch_digest);
  a.flag(m.replay);
  a.list(m.groups, Limits::kGroups, 80, [&](auto& group) { visit(a, group, Of<BatchGroup>{}); });
}

template <class A, class M>
void visit(A& a, M& m, Of<CheckpointRequest>) {
  a.reason(m.reason, Limits::kReasonBytes);
}

template <class A, class M>
void visit(A& a, M& m, Of<ResultAck>) {
  a.number(m.acked_seq);
}

template <class A, class M>
void visit(A& a, M& m, Of<Refused>) {
  a.number(m.refused_seq);
  a.enumerator(m.reason, RefusalReason::kStaleLease, RefusalReason::kIncomplete);
  a.reason(m.detail, Limits::kReasonBytes);
}

template <class A, class M>
void visit(A&, M&, Of<CancelLease>) {}

template <class A, class M>
void visit(A& a, M& m, Of<Shutdown>) {
  a.number(m.exit_code);
  a.reason(m.reason, Limits::kReasonBytes);
}

// ------------------------------------------------------------------------------------------------ bulk channel

template <class A, class M>
void visit(A& a, M& m, Of<GetWeights>) {
  a.id(m.version);
  a.number(m.offset);
  a.number(m.length);
}

template <class A, class M>
void visit(A& a, M& m, Of<WeightsChunk>) {
  a.id(m.version);
  a.number(m.total_bytes);
  a.number(m.offset);
  a.number(m.length);
  a.number(m.crc);
  a.digest(m.digest);
}

template <class A, class M>
void visit(A& a, M& m, Of<WeightsMissing>) {
  a.id(m.version);
  a.reason(m.reason, Limits::kReasonBytes);
}

template <class M>
std::string_view message_name() {
  if constexpr (requires { M::kType; }) {
    return name(M::kType);
  } else {
    return "BatchGroup";
  }
}

}  // namespace

template <class M>
std::vector<std::byte> encode(const M& message) {
  FieldWriter writer;
  visit(writer, message, Of<M>{});
  return writer.take();
}

template <class M>
Result<M> decode(std::span<const std::byte> payload) {
  M message;
  FieldReader reader(payload);
  visit(reader, message, Of<M>{});
  if (!reader.complete()) {
    return fail(ErrorCode::kCorruption, "{} message of {} bytes does not follow the grammar", message_name<M>(),
                payload.size());
  }
  return message;
}

#define PROSODIA_MESSAGE(M)                                    \
  template std::vector<std::byte> encode<M>(const M& message); \
  template Result<M> decode<M>(std::span<const std::byte> payload);

PROSODIA_MESSAGE(Hello)
PROSODIA_MESSAGE(Heartbeat)
PROSODIA_MESSAGE(RolloutResult)
PROSODIA_MESSAGE(RewardResult)
PROSODIA_MESSAGE(TaskFailed)
PROSODIA_MESSAGE(WeightsReady)
PROSODIA_MESSAGE(StepDone)
PROSODIA_MESSAGE(CheckpointCommitted)
PROSODIA_MESSAGE(Goodbye)
PROSODIA_MESSAGE(Welcome)
PROSODIA_MESSAGE(Reject)
PROSODIA_MESSAGE(HelloRequest)
PROSODIA_MESSAGE(Ping)
PROSODIA_MESSAGE(TaskRollout)
PROSODIA_MESSAGE(TaskReward)
PROSODIA_MESSAGE(BatchGroup)
PROSODIA_MESSAGE(StepBatch)
PROSODIA_MESSAGE(CheckpointRequest)
PROSODIA_MESSAGE(ResultAck)
PROSODIA_MESSAGE(Refused)
PROSODIA_MESSAGE(CancelLease)
PROSODIA_MESSAGE(Shutdown)
PROSODIA_MESSAGE(GetWeights)
PROSODIA_MESSAGE(WeightsChunk)
PROSODIA_MESSAGE(WeightsMissing)

}  // namespace prosodia::protocol
