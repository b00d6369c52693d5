// RunCore: rebuilding the state from the journal.
#include <algorithm>

#include "data/base/check.h"
#include "orchestrator/core/run_core.h"

namespace prosodia::core {

namespace {

tl::unexpected<Error> contradiction(const std::string& what) {
  return fail(ErrorCode::kCorruption, "the journal contradicts itself: {}", what);
}

}  // namespace

Status RunCore::replay(const Record& record) {
  PROSODIA_CHECK(!started_, "replay() after start()");
  if (!created_ && !std::holds_alternative<RunCreated>(record))
    return contradiction("its first record is not RunCreated");
  return std::visit([this](const auto& r) { return replay_record(r); }, record);
}

Status RunCore::replay_record(const RunCreated& record) {
  if (created_) return contradiction("RunCreated twice");
  if (record.format != 1) return fail(ErrorCode::kInvalidInput, "journal format {}, expected 1", record.format);
  const auto differs = [](std::string_view what, const auto& journal, const auto& now) {
    return fail(ErrorCode::kInvalidInput,
                "this run folder belongs to another run: its {} is {}, this command has {}. Rerun the original command "
                "to resume it, or choose a new --output_dir",
                what, journal, now);
  };
  if (record.config_digest != options_.config_digest) {
    return differs("configuration digest", record.config_digest.short_hex(), options_.config_digest.short_hex());
  }
  if (record.dataset_digest != options_.dataset_digest) {
    return differs("dataset digest", record.dataset_digest.short_hex(), options_.dataset_digest.short_hex());
  }
  if (record.seed != options_.plan.seed) return differs("seed", record.seed, options_.plan.seed);
  if (record.prompts_per_step != options_.plan.prompts_per_step) {
    return differs("number of prompts per step", record.prompts_per_step, options_.plan.prompts_per_step);
  }
  if (record.num_generations != options_.plan.num_generations) {
    return differs("number of generations", record.num_generations, options_.plan.num_generations);
  }
  if (record.lag != options_.plan.lag) return differs("lag", record.lag, options_.plan.lag);
  run_id_ = record.run_id;
  created_ = true;
  return {};
}

Status RunCore::replay_record(const LifeStarted& record) {
  if (record.life <= life_ && folded_steps_ > 0) return {};  // the fold was made in a later life
  if (record.life <= life_) return contradiction(fmt::format("life {} after {}", record.life, life_));
  life_ = record.life;
  return {};
}

Status RunCore::replay_record(const InitialWeights& record) {
  initial_weights_ = record.digest;
  return {};
}

Status RunCore::replay_record(const GateDecided& record) {
  if (record.step.value < folded_steps_) return {};
  const bool known = gate_.accuracies().size() + options_.plan.lag >= record.step.value;
  if (!known || gate_.value(record.step) != record.gate) {
    return contradiction(
        fmt::format("gate {} of step {} does not follow from the accuracies before it", record.gate, record.step));
  }
  progress_[record.step.value].gate = record.gate;
  return {};
}

Group& RunCore::ensure_group(GroupId id) {
  if (Group* group = groups_.find(id)) return *group;
  return groups_.add(id);
}

Status RunCore::replay_record(const GroupSampled& record) {
  const GroupId id = record.result.group_id;
  const StepId step = plan_.step_of(id);
  if (step.value < folded_steps_) return {};
  if (step.value < trained_ || step >= plan_.window_end(PolicyVersion(trained_))) {
    return contradiction(fmt::format("group {} sampled after {} trained steps", id, trained_));
  }
  Group& group = ensure_group(id);
  if (group.state != GroupState::kPlanned) return contradiction(fmt::format("group {} sampled twice", id));
  if (record.result.policy_version != plan_.version_of(step) ||
      record.result.completions.size() != options_.plan.num_generations) {
    return contradiction(fmt::format("group {} has {} completions of version {}", id, record.result.completions.size(),
                                     record.result.policy_version));
  }
  groups_.apply(group, GroupEvent::kRolloutResult, counters_.reasons);
  group.rollout = record.result;
  return {};
}

Status RunCore::replay_record(const GroupScored& record) {
  const GroupId id = record.result.group_id;
  if (plan_.step_of(id).value < folded_steps_) return {};
  Group* group = groups_.find(id);
  if (group == nullptr || group->state != GroupState::kSampled ||
      record.result.responses.size() != options_.plan.num_generations) {
    return contradiction(fmt::format("group {} scored while it is {}", id,
                                     group == nullptr ? std::string_view("not there") : name(group->state)));
  }
  groups_.apply(*group, GroupEvent::kRewardResult, counters_.reasons);
  group->reward = record.result;
  return {};
}

Status RunCore::replay_record(const StepBatched& record) {
  if (record.step.value < folded_steps_) return {};
  if (record.step.value != trained_ || !has_groups(record.step)) {
    return contradiction(fmt::format("step {} batched while {} steps are trained", record.step, trained_));
  }
  if (progress_[record.step.value].batch != BatchState::kCollecting) {
    return contradiction(fmt::format("step {} batched twice", record.step));
  }
  if (protocol::digest_of(step_groups(record.step)) != record.batch_digest) {
    return contradiction(fmt::format("step {}'s groups do not hash to the digest in its StepBatched", record.step));
  }
  for (uint32_t slot = 0; slot < options_.plan.prompts_per_step; ++slot) {
    groups_.apply(*groups_.find(plan_.group(record.step, slot)), GroupEvent::kBatch, counters_.reasons);
  }
  StepProgress& progress = progress_[record.step.value];
  progress.batch_digest = record.batch_digest;
  must_advance<BatchLifecycle>(progress.batch, BatchEvent::kComplete, counters_.reasons);
  return {};
}

Status RunCore::replay_record(const StepTrained& record) {
  const uint64_t step = record.done.step.value;
  if (step < trained_) {  // folded, or replayed with other bits and accepted (strict_replay off)
    const FoldedStep& known = steps_[step].facts;
    const bool is_new = known.weights_digest != record.done.weights_digest || known.loss != record.done.loss;
    if (is_new) follow_replay(step, record.done);
    return {};
  }
  const auto progress = progress_.find(step);
  if (step != trained_ || progress == progress_.end() || progress->second.batch_digest != record.done.batch_digest) {
    return contradiction(fmt::format("step {} trained after {} steps", step, trained_));
  }
  must_advance<BatchLifecycle>(progress->second.batch, BatchEvent::kRecovered, counters_.reasons);
  record_trained(record.done, record.times);
  if (run_digest_ != record.run_digest) {
    return contradiction(fmt::format("the run digest after step {} is {}, recorded {}", step, run_digest_.short_hex(),
                                     record.run_digest.short_hex()));
  }
  release();
  return {};
}

Status RunCore::replay_record(const CheckpointSaved& record) {
  if (record.version.value > trained_) {
    return contradiction(fmt::format("a checkpoint of version {} after {} steps", record.version, trained_));
  }
  if (checkpoints_.empty() || record.version > checkpoints_.back()) add_checkpoint(record.version);
  return {};
}

Status RunCore::replay_record(const RunComplete& record) {
  if (record.run_digest != run_digest_ || record.steps != trained_) {
    return contradiction(fmt::format("complete after {} steps, {} recorded", trained_, record.steps));
  }
  complete_recorded_ = true;
  return {};
}

// A snapshot begins with these, before anything else about steps.
Status RunCore::replay_record(const StepsFolded& record) {
  if (record.first.value != folded_steps_ || trained_ != folded_steps_ || !progress_.empty()) {
    return contradiction(fmt::format("steps from {} on are folded after {} steps", record.first, trained_));
  }
  for (const FoldedStep& step : record.steps) {
    if (chain(run_digest_, step) != step.run_digest) {
      return contradiction(fmt::format("the run digest after the folded step {} does not follow", trained_));
    }
    run_digest_ = step.run_digest;
    gate_.observe(StepId(trained_), step.accuracy);
    steps_.push_back({step, {}, BatchState::kTrained});
    ++trained_;
  }
  folded_steps_ = released_steps_ = planned_steps_ = trained_;
  return {};
}

std::optional<StepId> RunCore::step_of(const Record& record) const {
  if (const auto* gate = std::get_if<GateDecided>(&record)) return gate->step;
  if (const auto* sampled = std::get_if<GroupSampled>(&record)) return plan_.step_of(sampled->result.group_id);
  if (const auto* scored = std::get_if<GroupScored>(&record)) return plan_.step_of(scored->result.group_id);
  if (const auto* batched = std::get_if<StepBatched>(&record)) return batched->step;
  if (const auto* trained = std::get_if<StepTrained>(&record)) return trained->done.step;
  return std::nullopt;
}

std::vector<Record> RunCore::fold() const {
  PROSODIA_CHECK(started_ && created_, "fold() before start()");
  constexpr uint64_t kStepsARecord = 10'000;  // 2 MB
  std::vector<Record> records = {RunCreated{1, run_id_, options_.config_digest, options_.dataset_digest,
                                            options_.plan.seed, options_.plan.prompts_per_step,
                                            options_.plan.num_generations, options_.plan.lag}};
  for (uint64_t first = 0; first < released_steps_; first += kStepsARecord) {
    StepsFolded folded{StepId(first), {}};
    const uint64_t end = std::min(first + kStepsARecord, released_steps_);
    for (uint64_t step = first; step < end; ++step) folded.steps.push_back(steps_[step].facts);
    records.emplace_back(std::move(folded));
  }
  records.emplace_back(LifeStarted{life_});
  if (initial_weights_) records.emplace_back(InitialWeights{*initial_weights_});
  for (PolicyVersion version : checkpoints_) {
    if (version.value <= released_steps_) records.emplace_back(CheckpointSaved{version, ""});
  }
  return records;
}

Actions RunCore::reload_done(StepId from) {
  for (uint64_t step = from.value; step < released_steps_; ++step) {
    for (uint32_t slot = 0; slot < options_.plan.prompts_per_step; ++slot) {
      const Group* group = groups_.find(plan_.group(StepId(step), slot));
      if (group != nullptr && group->reward) continue;
      fail_run(
          ErrorCode::kCorruption,
          fmt::format("slot {} of the trained step {} is neither in the journal nor in the archive (RUN/rollouts): "
                      "put the archived segments back, or give the learner a checkpoint of a later version",
                      slot, step));
      return take_actions();
    }
  }
  released_steps_ = std::min(released_steps_, from.value);
  return take_actions();
}

void RunCore::reload(StepId from, const Record& record) {
  const auto in_range = [&](GroupId id) {
    const StepId step = plan_.step_of(id);
    return step >= from && step.value < released_steps_;
  };
  if (const auto* sampled = std::get_if<GroupSampled>(&record); sampled && in_range(sampled->result.group_id)) {
    if (groups_.find(sampled->result.group_id) != nullptr) return;
    Group group;
    group.id = sampled->result.group_id;
    group.state = GroupState::kTrained;
    group.rollout = sampled->result;
    groups_.restore(std::move(group));
  } else if (const auto* scored = std::get_if<GroupScored>(&record); scored && in_range(scored->result.group_id)) {
    Group* group = groups_.find(scored->result.group_id);
    if (group != nullptr && !group->reward) group->reward = scored->result;
  }
}

}  // namespace prosodia::core
