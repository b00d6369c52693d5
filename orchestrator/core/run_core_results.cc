// RunCore: what comes in from rollout and reward workers.
#include <algorithm>
#include <cmath>

#include "data/base/check.h"
#include "orchestrator/core/run_core_send.h"

namespace prosodia::core {

using namespace protocol;

namespace {

Role role_for(LeaseKind kind) { return kind == LeaseKind::kRollout ? Role::kRollout : Role::kReward; }

// Past the state in which a result of this kind is wanted.
bool has_result(const Group& group, LeaseKind kind) {
  return kind == LeaseKind::kRollout ? group.state >= GroupState::kSampled : group.state >= GroupState::kScored;
}

size_t num_present(const RewardResult& result) {
  return static_cast<size_t>(std::count_if(result.responses.begin(), result.responses.end(),
                                           [](const ResponseScore& score) { return score.present; }));
}

// Would another try bring scores that are missing? A timeout or an error may pass. An unparsable grade does not: every
// scorer is a pure function of row and response (reward/reasoning_scorer.h), so it would be given again.
bool may_improve(const RewardResult& result) {
  return std::any_of(result.responses.begin(), result.responses.end(), [](const ResponseScore& score) {
    return !score.present && !(score.scored && score.reasoning_status == ReasoningStatus::kUnparsable);
  });
}

}  // namespace

Group* RunCore::admit(Worker& worker, const FrameHeader& header, GroupId id, LeaseKind kind) {
  const LeaseId lease_id = header.lease_id;
  const auto refused = [&](RefusalReason reason, std::string detail) -> Group* {
    refuse(worker, header, reason, detail);
    return nullptr;
  };
  if (worker.role != role_for(kind)) {
    return refused(RefusalReason::kBadRole, fmt::format("{} is a {} worker", worker.name, name(worker.role)));
  }
  const Lease* lease = leases_.active(lease_id);
  if (lease != nullptr) {
    if (lease->peer != worker.peer || lease->group != id || lease->kind != kind) {
      return refused(RefusalReason::kWrongGroup,
                     fmt::format("lease {} is for group {} and {}", lease_id, lease->group, lease->peer));
    }
    return groups_.find(id);
  }
  if (leases_.ended(lease_id) == LeaseState::kCompleted) {  // our acknowledgement was lost
    acknowledge(worker, header);
    return nullptr;
  }
  Group* group = groups_.find(id);
  const bool is_past =
      group != nullptr ? has_result(*group, kind) : id.value < planned_steps_ * options_.plan.prompts_per_step;
  if (is_past) return refused(RefusalReason::kDuplicate, fmt::format("group {} has its result", id));
  if (leases_.of_this_life(lease_id)) {
    return refused(leases_.ended(lease_id) ? RefusalReason::kStaleLease : RefusalReason::kUnknownLease,
                   fmt::format("lease {} of group {} has ended", lease_id, id));
  }
  // Granted before a restart of the coordinator. The result is a pure function of the group, so it is as good as any.
  if (group == nullptr || (kind == LeaseKind::kReward && !group->rollout)) {
    return refused(RefusalReason::kUnknownLease, fmt::format("group {} is not planned yet", id));
  }
  return group;
}

// Ends the group's active lease: with `event` when it is `by`, as superseded when a result of an earlier life came
// first.
void RunCore::close_lease(LeaseKind kind, GroupId group, LeaseId by, LeaseEvent event) {
  const Lease* active = leases_.active_for(kind, group);
  if (active == nullptr) return;
  const bool is_own = active->id == by;
  (void)end_lease(active->id, is_own ? event : LeaseEvent::kOvertaken);
}

std::string RunCore::flaw(const Group& group, const RolloutResult& result) const {
  if (result.completions.size() != options_.plan.num_generations) {
    return fmt::format("{} completions, expected {}", result.completions.size(), options_.plan.num_generations);
  }
  for (const Completion& completion : result.completions) {
    const bool finite = std::all_of(completion.logprobs.begin(), completion.logprobs.end(),
                                    [](float logprob) { return std::isfinite(logprob); });
    if (!finite) return fmt::format("a log-probability of group {} is not finite", group.id);
  }
  return {};
}

void RunCore::on_rollout(Worker& worker, const FrameHeader& header, RolloutResult result, int64_t now_ms) {
  Group* group = admit(worker, header, result.group_id, LeaseKind::kRollout);
  if (group == nullptr) return;
  const StepId step = plan_.step_of(group->id);
  const PolicyVersion version = plan_.version_of(step);
  if (result.policy_version != version) {
    refuse(worker, header, RefusalReason::kWrongVersion,
           fmt::format("sampled with version {}, group {} needs {}", result.policy_version, group->id, version));
    if (leases_.active(header.lease_id) != nullptr) {
      fail_rollout(*group, worker, ErrorCode::kInternal, "wrong policy version", now_ms);
    }
    return;
  }
  if (const std::string flawed = flaw(*group, result); !flawed.empty()) {
    refuse(worker, header, RefusalReason::kMalformed, flawed);
    if (leases_.active(header.lease_id) != nullptr) {
      fail_rollout(*group, worker, ErrorCode::kInternal, flawed, now_ms);
    }
    return;
  }
  close_lease(LeaseKind::kRollout, group->id, header.lease_id, LeaseEvent::kResult);
  groups_.apply(*group, GroupEvent::kRolloutResult, counters_.reasons);
  group->failed_on.clear();
  group->lost_leases = 0;
  group->not_before_ms = now_ms;
  group->rollout = result;
  progress_[step.value].last_sampled_ms = now_ms;
  ++counters_.results_accepted;
  append(GroupSampled{std::move(result), worker.name});
  acknowledge(worker, header);
}

std::string RunCore::flaw(const Group& group, const RewardResult& result) const {
  if (result.responses.size() != options_.plan.num_generations) {
    return fmt::format("{} scores, expected {}", result.responses.size(), options_.plan.num_generations);
  }
  const auto progress = progress_.find(plan_.step_of(group.id).value);
  if (progress == progress_.end() || !progress->second.gate || *progress->second.gate != result.gate) {
    return fmt::format("gate {} is not that of step {}", result.gate, plan_.step_of(group.id));
  }
  for (const ResponseScore& score : result.responses) {
    if (score.present && (!score.scored || !std::isfinite(score.total))) {
      return fmt::format("a response of group {} is present without a finite reward", group.id);
    }
  }
  return {};
}

void RunCore::on_reward(Worker& worker, const FrameHeader& header, RewardResult result, int64_t now_ms) {
  Group* group = admit(worker, header, result.group_id, LeaseKind::kReward);
  if (group == nullptr) return;
  if (const std::string flawed = flaw(*group, result); !flawed.empty()) {
    refuse(worker, header, RefusalReason::kMalformed, flawed);
    if (leases_.active(header.lease_id) != nullptr) fail_reward(*group, worker, flawed, now_ms);
    return;
  }
  const bool final = !may_improve(result);
  // Of equally complete ones the newest: its reasons are those that lasted.
  if (!group->best_reward || num_present(result) >= num_present(*group->best_reward)) {
    group->best_reward = std::move(result);
  }
  if (!final && group->reward_tries + 1 < options_.max_reward_tries) {
    // Not kept across a crash, so not acknowledged: the group is scored again either way.
    refuse(worker, header, RefusalReason::kIncomplete, "scores are missing; the group will be scored again");
    if (leases_.active(header.lease_id) != nullptr) fail_reward(*group, worker, "scores are missing", now_ms);
    return;
  }
  close_lease(LeaseKind::kReward, group->id, header.lease_id, LeaseEvent::kResult);
  ++counters_.results_accepted;
  score(*group, std::move(*group->best_reward), worker.name, now_ms);
  acknowledge(worker, header);
}

void RunCore::score(Group& group, RewardResult result, const std::string& worker, int64_t now_ms) {
  groups_.apply(group, GroupEvent::kRewardResult, counters_.reasons);
  group.best_reward.reset();
  group.reward = result;
  progress_[plan_.step_of(group.id).value].last_scored_ms = now_ms;
  append(GroupScored{std::move(result), static_cast<uint32_t>(group.reward_tries) + 1, worker});
}

void RunCore::on_failure(Worker& worker, const FrameHeader& header, const TaskFailed& failed, int64_t now_ms) {
  const LeaseKind kind = worker.role == Role::kReward ? LeaseKind::kReward : LeaseKind::kRollout;
  Group* group = admit(worker, header, failed.group_id, kind);
  if (group == nullptr) return;
  acknowledge(worker, header);
  if (leases_.active(header.lease_id) == nullptr) return;  // granted before a restart: it will be granted anew
  ++counters_.tasks_failed;
  const std::string why = fmt::format("{} on {}: {}", name(failed.code), worker.name, failed.message);
  if (failed.code == ErrorCode::kStale || failed.code == ErrorCode::kUnavailable) {
    // The learner went away under the worker, or its weights port cannot be reached from there: not the group's fault,
    // so neither a try nor a lost lease is counted.
    ++counters_.weights_unreachable;
    group->last_failure = why;
    const Lease lease = *leases_.active(header.lease_id);
    close_lease(kind, group->id, lease.id, LeaseEvent::kFailure);
    return_group(lease, now_ms + options_.retry_backoff_ms);
  } else if (kind == LeaseKind::kRollout) {
    fail_rollout(*group, worker, failed.code, why, now_ms);
  } else {
    fail_reward(*group, worker, why, now_ms);
  }
}

int64_t RunCore::backoff(int tries) const { return options_.retry_backoff_ms << std::min(tries - 1, 5); }

void RunCore::fail_rollout(Group& group, const Worker& worker, ErrorCode code, const std::string& why, int64_t now_ms) {
  const Lease* lease = leases_.active_for(LeaseKind::kRollout, group.id);
  close_lease(LeaseKind::kRollout, group.id, lease->id, LeaseEvent::kFailure);
  groups_.apply(group, GroupEvent::kRolloutLost, counters_.reasons);
  group.failed_on.insert(worker.name);
  group.last_failure = why;
  group.not_before_ms = now_ms + backoff(++group.rollout_tries);
  if (group.rollout_tries < options_.max_rollout_tries) return;
  // Bad input is final, so that nobody starts the run again only to fail on the same row. The dataset is part of the
  // run's identity: its files may be mended, its rows not.
  const bool bad_input = code == ErrorCode::kInvalidInput;
  const std::string_view advice =
      bad_input ? "Mend the audio and rerun the same command; if the row itself must change, use a new --output_dir"
                : "The worker's log says more; rerun the same command to try again";
  fail_run(bad_input ? ErrorCode::kInvalidInput : ErrorCode::kUnavailable,
           fmt::format("group {} (step {}, slot {}, dataset row {}) could not be sampled after {} tries: {}. {}",
                       group.id, plan_.step_of(group.id), plan_.slot_of(group.id), plan_.row_of(group.id),
                       group.rollout_tries, why, advice));
}

void RunCore::fail_reward(Group& group, const Worker& worker, const std::string& why, int64_t now_ms) {
  const Lease* lease = leases_.active_for(LeaseKind::kReward, group.id);
  close_lease(LeaseKind::kReward, group.id, lease->id, LeaseEvent::kFailure);
  groups_.apply(group, GroupEvent::kRewardLost, counters_.reasons);
  group.failed_on.insert(worker.name);
  group.last_failure = why;
  group.not_before_ms = now_ms + backoff(++group.reward_tries);
  if (group.reward_tries < options_.max_reward_tries) return;
  // No worker could score it: its responses leave the group, and the status says why. Never a silent 0.
  RewardResult result;
  if (group.best_reward) {
    result = *group.best_reward;
  } else {
    result.group_id = group.id;
    result.gate = *progress_.at(plan_.step_of(group.id).value).gate;
    ResponseScore missing;
    missing.reasoning_status = ReasoningStatus::kError;
    missing.detail = why;
    result.responses.assign(options_.plan.num_generations, missing);
  }
  score(group, std::move(result), worker.name, now_ms);
}

}  // namespace prosodia::core
