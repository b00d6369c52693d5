// RunCore: what goes out. Groups to rollout and reward workers, batches to the learner.
#include "data/base/check.h"
#include "orchestrator/core/run_core_send.h"

namespace prosodia::core {

using namespace protocol;

void RunCore::schedule(int64_t now_ms) {
  if (finished_ || !started_) return;
  plan_window();
  if (!stopping_) {
    grant_rollouts(now_ms);
    grant_rewards(now_ms);
    send_batch(now_ms);
  }
  complete_if_done();
}

// Groups exist from the moment their policy version does: steps [trained, trained + lag].
void RunCore::plan_window() {
  const uint64_t end = plan_.window_end(PolicyVersion(trained_)).value;
  for (; planned_steps_ < end; ++planned_steps_) {
    for (uint32_t slot = 0; slot < options_.plan.prompts_per_step; ++slot) {
      const GroupId id = plan_.group(StepId(planned_steps_), slot);
      if (groups_.find(id) == nullptr) groups_.add(id);  // a replayed record may have brought it
    }
  }
}

bool RunCore::is_served(PolicyVersion version) const {
  return version.value <= trained_ && learner_.state != LearnerState::kAbsent && learner_.served.contains(version);
}

// A worker that has not failed on this group, as long as such a worker lives: waiting for it beats failing again here.
Worker* RunCore::choose(Role role, const Group& group) {
  Worker* fresh = workers_.pick(role, [&](const Worker& worker) { return !group.failed_on.contains(worker.name); });
  if (fresh != nullptr || group.failed_on.empty()) return fresh;
  for (const auto& [peer, worker] : workers_.all()) {
    if (worker.role == role && worker.state == WorkerState::kLive && !group.failed_on.contains(worker.name)) {
      return nullptr;
    }
  }
  return workers_.pick(role, [](const Worker&) { return true; });
}

void RunCore::grant_rollouts(int64_t now_ms) {
  if (workers_.pick(Role::kRollout, [](const Worker&) { return true; }) == nullptr) return;
  const std::set<GroupId> waiting = groups_.planned();  // granting changes the set
  for (GroupId id : waiting) {
    Group& group = *groups_.find(id);
    if (group.not_before_ms > now_ms || !is_served(plan_.version_of(plan_.step_of(id)))) continue;
    if (!grant_rollout(group, now_ms) && group.failed_on.empty()) return;  // nobody is free
  }
}

bool RunCore::grant_rollout(Group& group, int64_t now_ms) {
  Worker* worker = choose(Role::kRollout, group);
  if (worker == nullptr) return false;
  const StepId step = plan_.step_of(group.id);
  decide_gate(step);
  const PolicyVersion version = plan_.version_of(step);
  const Lease& lease = leases_.grant(LeaseKind::kRollout, group.id, worker->peer, now_ms, options_.rollout_lease_ms);
  if (worker->leases.empty()) worker->last_progress_ms = now_ms;  // it had nothing to do
  workers_.add_lease(*worker, lease.id);
  groups_.apply(group, GroupEvent::kGrantRollout, counters_.reasons);
  StepProgress& progress = progress_[step.value];
  if (progress.first_rollout_ms < 0) progress.first_rollout_ms = now_ms;
  TaskRollout task;
  task.group_id = group.id;
  task.step = step;
  task.policy_version = version;
  task.weights_endpoint = learner_.weights_endpoint;
  task.weights_digest = learner_.served.at(version);
  task.num_generations = options_.plan.num_generations;
  task.seed = plan_.seed_of(group.id);
  task.row_json = rows_(plan_.row_of(group.id));
  send(worker->peer, task, lease.id);
  return true;
}

// The gate of a step whose groups are about to be leased; journaled with the first of them.
double RunCore::decide_gate(StepId step) {
  StepProgress& progress = progress_[step.value];
  if (!progress.gate) {
    progress.gate = gate_.value(step);
    append(GateDecided{step, *progress.gate});
  }
  return *progress.gate;
}

void RunCore::grant_rewards(int64_t now_ms) {
  if (workers_.pick(Role::kReward, [](const Worker&) { return true; }) == nullptr) return;
  const std::set<GroupId> waiting = groups_.sampled();
  for (GroupId id : waiting) {
    Group& group = *groups_.find(id);
    if (group.not_before_ms > now_ms) continue;
    if (!grant_reward(group, now_ms) && group.failed_on.empty()) return;
  }
}

bool RunCore::grant_reward(Group& group, int64_t now_ms) {
  Worker* worker = choose(Role::kReward, group);
  if (worker == nullptr) return false;
  const StepId step = plan_.step_of(group.id);
  const Lease& lease = leases_.grant(LeaseKind::kReward, group.id, worker->peer, now_ms, options_.reward_lease_ms);
  if (worker->leases.empty()) worker->last_progress_ms = now_ms;  // it had nothing to do
  workers_.add_lease(*worker, lease.id);
  groups_.apply(group, GroupEvent::kGrantReward, counters_.reasons);
  TaskReward task;
  task.group_id = group.id;
  task.step = step;
  task.gate = decide_gate(step);
  task.need_reasoning = task.gate > 0;
  task.attempt = static_cast<uint32_t>(group.reward_tries) + 1;
  task.row_json = rows_(plan_.row_of(group.id));
  for (const Completion& completion : group.rollout->completions) {
    task.completions.push_back(
        {completion.text, static_cast<uint32_t>(completion.token_ids.size()), completion.finish_reason});
  }
  StepProgress& progress = progress_[step.value];
  if (progress.first_reward_ms < 0) progress.first_reward_ms = now_ms;
  send(worker->peer, task, lease.id);
  return true;
}

bool RunCore::has_groups(StepId step) const {
  for (uint32_t slot = 0; slot < options_.plan.prompts_per_step; ++slot) {
    const Group* group = groups_.find(plan_.group(step, slot));
    if (group == nullptr || group->state < GroupState::kScored) return false;
  }
  return true;
}

std::vector<BatchGroup> RunCore::step_groups(StepId step) const {
  PROSODIA_CHECK(has_groups(step), "the groups of step {} are not there", step);
  std::vector<BatchGroup> out;
  out.reserve(options_.plan.prompts_per_step);
  for (uint32_t slot = 0; slot < options_.plan.prompts_per_step; ++slot) {
    const Group* group = groups_.find(plan_.group(step, slot));
    out.push_back(
        {group->id, rows_(plan_.row_of(group->id)), plan_.seed_of(group->id), *group->rollout, *group->reward});
  }
  return out;
}

std::optional<GroupState> RunCore::group_state(GroupId id) const {
  const Group* group = groups_.find(id);
  return group == nullptr ? std::nullopt : std::optional(group->state);
}

void RunCore::send_batch(int64_t now_ms) {
  const StepId step = learner_.next_step;
  if (learner_.state != LearnerState::kIdle || step.value >= options_.plan.total_steps || !has_groups(step)) return;
  const bool replay = step.value < trained_;
  if (!replay) {
    StepProgress& progress = progress_[step.value];
    if (!progress.batch_digest) {
      progress.batch_digest = digest_of(step_groups(step));
      append(StepBatched{step, *progress.batch_digest});
      must_advance<BatchLifecycle>(progress.batch, BatchEvent::kComplete, counters_.reasons);
      for (uint32_t slot = 0; slot < options_.plan.prompts_per_step; ++slot) {
        groups_.apply(*groups_.find(plan_.group(step, slot)), GroupEvent::kBatch, counters_.reasons);
      }
    }
    progress.batch_sent_ms = now_ms;
    progress.idle_since_ms = learner_.idle_since_ms;
  }
  learner_.lease = leases_.next_id();
  learner_.batch_sent_ms = learner_.last_progress_ms = now_ms;
  learner_.progress = 0;
  must_advance<LearnerLifecycle>(learner_.state, LearnerEvent::kBatchSent, counters_.reasons);
  must_advance<BatchLifecycle>(batch_state(step), BatchEvent::kSend, counters_.reasons);
  send_batch_frame(step);
}

void RunCore::send_batch_frame(StepId step) {
  StepBatch batch;
  batch.step = step;
  batch.replay = step.value < trained_;
  batch.batch_digest = batch.replay ? steps_[step.value].facts.batch_digest : *progress_.at(step.value).batch_digest;
  batch.groups = step_groups(step);
  send(learner_.peer, batch, learner_.lease);
}

}  // namespace prosodia::core
