#include "orchestrator/core/run_core.h"

#include <algorithm>
#include <utility>

#include "data/base/check.h"
#include "orchestrator/core/run_core_send.h"
#include "orchestrator/protocol/authorisation.h"

namespace prosodia::core {

using namespace protocol;

Digest initial_run_digest(const PlanOptions& plan) {
  return DigestBuilder()
      .add("prosodia run 1")
      .add(plan.seed)
      .add(uint64_t{plan.prompts_per_step})
      .add(uint64_t{plan.num_generations})
      .add(uint64_t{plan.lag})
      .finish();
}

Digest chain_run_digest(const Digest& before, const Digest& batch, double loss, const Digest& weights) {
  return DigestBuilder().add(before).add(batch).add(loss).add(weights).finish();
}

RunCore::RunCore(RunOptions options, RowSource rows)
    : options_(std::move(options)),
      rows_(std::move(rows)),
      plan_(options_.plan),
      gate_(options_.gate, options_.plan.lag),
      run_id_(options_.run_id),
      archived_before_(options_.archived_before),
      run_digest_(initial_run_digest(options_.plan)) {
  PROSODIA_CHECK(options_.heartbeat_ms > 0 && options_.missed_heartbeats > 0, "heartbeat {} ms x {}",
                 options_.heartbeat_ms, options_.missed_heartbeats);
  PROSODIA_CHECK(options_.learner_timeout_ms > 0, "learner timeout {} ms", options_.learner_timeout_ms);
  PROSODIA_CHECK(options_.max_rollout_tries > 0 && options_.max_reward_tries > 0, "tries {} and {}",
                 options_.max_rollout_tries, options_.max_reward_tries);
}

Actions RunCore::start(int64_t now_ms) {
  PROSODIA_CHECK(!started_, "start() twice");
  started_ = true;
  last_step_done_ms_ = now_ms;
  if (complete_recorded_) {
    finished_ = true;
    actions_.push_back(Complete{trained_, run_digest_});
    return take_actions();
  }
  if (!created_) {
    append(RunCreated{1, run_id_, options_.config_digest, options_.dataset_digest, options_.plan.seed,
                      options_.plan.prompts_per_step, options_.plan.num_generations, options_.plan.lag});
    created_ = true;
  }
  append(LifeStarted{++life_});
  for (const std::string& name : options_.expected_workers) missing_since_ms_[name] = now_ms;
  counters_ = {};  // what the replay counted happened in earlier lives
  const bool all_saved = last_checkpoint().value >= trained_;
  checkpoint_ = all_saved ? CheckpointState::kSaved : CheckpointState::kBehind;
  leases_ = LeaseTable(life_);
  planned_steps_ = std::max(planned_steps_, trained_);  // earlier steps were planned in earlier lives
  plan_window();
  return take_actions();
}

Actions RunCore::on_frame(const std::string& peer, std::span<const std::byte> frame, int64_t now_ms,
                          std::optional<Role> key_role) {
  if (finished_) return {};
  const auto view = decode_frame(frame, kMaxPayloadFromWorker);
  if (!view) {
    ++counters_.bad_frames;
    // A peer of another release gets a reason; noise does not get an answer.
    const Worker* known = workers_.find(peer);
    if (view.error().code == ErrorCode::kInvalidInput && known == nullptr)
      send(peer, Reject{RejectCode::kProtocolVersion, view.error().message});
    return take_actions();
  }
  const FrameHeader& header = view->header;
  if (header.type == MessageType::kHello) {
    on_hello(peer, *view, now_ms, key_role);
    schedule(now_ms);
    return take_actions();
  }
  Worker* worker = workers_.find(peer);
  if (worker == nullptr || worker->epoch != header.sender_epoch || header.run_id != run_id_) {
    ++counters_.unknown_peers;
    ask_for_hello(peer, now_ms);
    return take_actions();
  }
  const auto event = header.type == MessageType::kGoodbye ? WorkerEvent::kGoodbye : WorkerEvent::kTraffic;
  if (worker->state != WorkerState::kLive) {
    refuse_fenced(*worker, event, header);
    if (worker->state == WorkerState::kDead || worker->state == WorkerState::kGone) ask_for_hello(peer, now_ms);
    return take_actions();
  }
  if ((key_role && *key_role != worker->role) || !may_send(worker->role, header.type)) {
    ++counters_.foreign_frames;
    refuse(*worker, header, RefusalReason::kBadRole,
           fmt::format("{} from a {} worker", name(header.type), name(key_role.value_or(worker->role))));
    return take_actions();
  }
  worker->last_heard_ms = now_ms;
  dispatch(*worker, *view, now_ms);
  // Heartbeats are most of the traffic and rarely change what can be granted; the next tick sees to that.
  if (header.type != MessageType::kHeartbeat) schedule(now_ms);
  return take_actions();
}

template <class M, class F>
void RunCore::with_decoded(Worker& worker, const FrameView& frame, F&& handle) {
  auto message = decode<M>(frame.payload);
  if (message) {
    handle(std::move(*message));
    return;
  }
  ++counters_.bad_frames;
  refuse(worker, frame.header, RefusalReason::kMalformed, message.error().message);
}

void RunCore::dispatch(Worker& worker, const FrameView& frame, int64_t now_ms) {
  const FrameHeader& header = frame.header;
  if (header.type == MessageType::kGoodbye) return lose_worker(worker, WorkerEvent::kGoodbye, now_ms);
  (void)workers_.apply(worker, WorkerEvent::kTraffic, counters_.reasons);
  if (header.type != MessageType::kHeartbeat) {
    worker.last_progress_ms = now_ms;
    if (is_current_learner(worker)) learner_.last_progress_ms = now_ms;
  }
  switch (header.type) {
    case MessageType::kHeartbeat:
      if (const auto beat = decode<Heartbeat>(frame.payload)) on_heartbeat(worker, *beat, now_ms);
      return;
    case MessageType::kRolloutResult:
      return with_decoded<RolloutResult>(worker, frame,
                                         [&](auto m) { on_rollout(worker, header, std::move(m), now_ms); });
    case MessageType::kRewardResult:
      return with_decoded<RewardResult>(worker, frame,
                                        [&](auto m) { on_reward(worker, header, std::move(m), now_ms); });
    case MessageType::kTaskFailed:
      return with_decoded<TaskFailed>(worker, frame, [&](auto m) { on_failure(worker, header, m, now_ms); });
    case MessageType::kWeightsReady:
      return with_decoded<WeightsReady>(worker, frame, [&](auto m) { on_weights_ready(worker, header, m, now_ms); });
    case MessageType::kStepDone:
      return with_decoded<StepDone>(worker, frame, [&](auto m) { on_step_done(worker, header, m, now_ms); });
    case MessageType::kCheckpointCommitted:
      return with_decoded<CheckpointCommitted>(worker, frame,
                                               [&](auto m) { on_checkpoint(worker, header, m, now_ms); });
    default:
      ++counters_.bad_frames;
  }
}

void RunCore::acknowledge(const Worker& worker, const FrameHeader& header) {
  send(worker.peer, ResultAck{header.seq}, header.lease_id);
}

void RunCore::refuse(const Worker& worker, const FrameHeader& header, RefusalReason reason, const std::string& detail) {
  ++counters_.results_rejected[static_cast<size_t>(reason)];
  send(worker.peer, Refused{header.seq, reason, detail}, header.lease_id);
}

void RunCore::ask_for_hello(const std::string& peer, int64_t now_ms) {
  auto [it, is_first] = hello_asked_ms_.try_emplace(peer, now_ms);
  if (!is_first && now_ms - it->second < options_.heartbeat_ms / 2) return;
  it->second = now_ms;
  send(peer, HelloRequest{});
}

Actions RunCore::on_tick(int64_t now_ms) {
  if (finished_) return {};
  expire_leases(now_ms);
  if (finished_) return take_actions();
  bury_silent(now_ms);
  report_missing(now_ms);
  watch_learner(now_ms);
  request_final_checkpoint(now_ms);
  if (stopping_) stop_if_saved(now_ms);
  if (hello_asked_ms_.size() > options_.max_workers) hello_asked_ms_.clear();
  schedule(now_ms);
  return take_actions();
}

Actions RunCore::on_stop(int64_t now_ms) {
  if (finished_ || stopping_) return {};
  stopping_ = true;
  stop_deadline_ms_ = now_ms + options_.stop_grace_ms;
  if (learner_.state == LearnerState::kIdle || learner_.state == LearnerState::kTraining) {
    request_checkpoint("the run was asked to stop", now_ms);
  }
  stop_if_saved(now_ms);
  return take_actions();
}

void RunCore::fail_run(ErrorCode code, std::string message) {
  if (finished_) return;
  shut_down(exit_code(code), message);
  actions_.push_back(Failed{Error{code, std::move(message)}});
}

Actions RunCore::take_actions() { return std::exchange(actions_, {}); }

}  // namespace prosodia::core
