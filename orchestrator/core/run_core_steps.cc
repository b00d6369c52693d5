// RunCore: steps that the learner finishes, for the first time and again after it resumed.
#include <algorithm>
#include <bit>

#include "data/base/check.h"
#include "orchestrator/core/run_core_send.h"

namespace prosodia::core {

using namespace protocol;

void RunCore::on_step_done(Worker& worker, const FrameHeader& header, const StepDone& done, int64_t now_ms) {
  if (!is_current_learner(worker)) {
    refuse(worker, header, RefusalReason::kStaleEpoch, "another learner runs");
    return;
  }
  if (done.step.value > trained_ || done.new_version.value != done.step.value + 1) {
    refuse(worker, header, RefusalReason::kOutOfOrder,
           fmt::format("step {} done while step {} is next", done.step, trained_));
    return;
  }
  // Idle, it has done this step before: only a batch that was sent is on its way, and sending makes it training.
  const bool is_next = done.step == learner_.next_step && learner_.state == LearnerState::kTraining;
  if (done.step.value == trained_ ? !accept_trained(done, now_ms) : !accept_replayed(done)) {
    if (!finished_) refuse(worker, header, RefusalReason::kOutOfOrder, "no such batch was sent");
    return;
  }
  acknowledge(worker, header);
  if (!is_next) return;
  must_advance<LearnerLifecycle>(learner_.state, LearnerEvent::kStepDone, counters_.reasons);
  learner_.next_step = StepId(done.step.value + 1);
  learner_.idle_since_ms = now_ms;
}

bool RunCore::accept_trained(const StepDone& done, int64_t now_ms) {
  const auto found = progress_.find(done.step.value);
  if (found == progress_.end() || found->second.batch_digest != done.batch_digest) return false;
  if (!advance<BatchLifecycle>(found->second.batch, BatchEvent::kStepDone, counters_.reasons)) return false;
  const StepProgress& progress = found->second;
  const auto seconds = [](int64_t from_ms, int64_t to_ms) {
    return from_ms < 0 || to_ms < from_ms ? 0.0 : static_cast<double>(to_ms - from_ms) / 1000;
  };
  StepTimes times;
  times.rollout = seconds(progress.first_rollout_ms, progress.last_sampled_ms);
  times.reward = seconds(progress.first_reward_ms, progress.last_scored_ms);
  times.train = seconds(progress.batch_sent_ms, now_ms);
  times.wait = seconds(progress.idle_since_ms, progress.batch_sent_ms);
  times.step = seconds(last_step_done_ms_, now_ms);
  last_step_done_ms_ = now_ms;
  record_trained(done, times);
  append(StepTrained{done, run_digest_, times});
  actions_.push_back(StepFinished{done.step});
  return true;
}

// Bookkeeping of a step's end, when it happens and when the journal is replayed.
void RunCore::record_trained(const StepDone& done, const StepTimes& times) {
  StepRecord record;
  FoldedStep& facts = record.facts;
  facts.batch_digest = done.batch_digest;
  facts.weights_digest = done.weights_digest;
  facts.loss = done.loss;
  facts.gate = progress_.at(done.step.value).gate.value_or(0);
  facts.accuracy = step_accuracy(done.step);
  facts.num_tokens = step_tokens(done.step);
  facts.run_digest = run_digest_ = chain(run_digest_, facts);
  facts.times = times;
  record.learner_metrics = done.metrics;
  gate_.observe(done.step, facts.accuracy);
  steps_.push_back(std::move(record));
  for (uint32_t slot = 0; slot < options_.plan.prompts_per_step; ++slot) {
    groups_.apply(*groups_.find(plan_.group(done.step, slot)), GroupEvent::kTrain, counters_.reasons);
  }
  progress_.erase(done.step.value);
  trained_ = done.step.value + 1;
  must_advance<CheckpointLifecycle>(checkpoint_, CheckpointEvent::kStepTrained, counters_.reasons);
}

// Mean R_o over the step's responses that were scored; a step without any keeps the accuracy before it.
double RunCore::step_accuracy(StepId step) const {
  double sum = 0;
  uint64_t count = 0;
  for (uint32_t slot = 0; slot < options_.plan.prompts_per_step; ++slot) {
    for (const ResponseScore& score : groups_.find(plan_.group(step, slot))->reward->responses) {
      if (!score.scored) continue;
      sum += score.accuracy;
      ++count;
    }
  }
  if (count > 0) return sum / static_cast<double>(count);
  return steps_.empty() ? 0 : steps_.back().facts.accuracy;
}

uint64_t RunCore::step_tokens(StepId step) const {
  uint64_t tokens = 0;
  for (uint32_t slot = 0; slot < options_.plan.prompts_per_step; ++slot) {
    const RolloutResult& rollout = *groups_.find(plan_.group(step, slot))->rollout;
    for (const Completion& completion : rollout.completions) {
      tokens += rollout.prompt_token_count + completion.token_ids.size();
    }
  }
  return tokens;
}

uint64_t RunCore::num_tokens(StepId end) const {
  uint64_t tokens = 0;
  for (uint64_t step = 0; step < std::min<uint64_t>(end.value, steps_.size()); ++step) {
    tokens += steps_[step].facts.num_tokens;
  }
  return tokens;
}

Digest RunCore::chain(const Digest& before, const FoldedStep& step) const {
  return chain_run_digest(before, step.batch_digest, step.loss, step.weights_digest);
}

BatchState& RunCore::batch_state(StepId step) {
  return step.value < trained_ ? steps_.at(step.value).batch : progress_.at(step.value).batch;
}

// A step that was trained before, again after the learner resumed: it must give the journaled bits.
bool RunCore::accept_replayed(const StepDone& done) {
  StepRecord& record = steps_[done.step.value];
  if (done.batch_digest != record.facts.batch_digest) return false;
  counters_.steps_replayed += record.batch == BatchState::kReplaying;
  if (!advance<BatchLifecycle>(record.batch, BatchEvent::kStepDone, counters_.reasons)) return false;
  const bool same_bits = done.weights_digest == record.facts.weights_digest &&
                         std::bit_cast<uint64_t>(done.loss) == std::bit_cast<uint64_t>(record.facts.loss);
  if (same_bits) return true;
  ++counters_.replay_mismatches;
  if (options_.strict_replay) {
    fail_run(ErrorCode::kCorruption,
             fmt::format("replaying step {} gave weights {} and loss {}, the journal has {} and {}: another machine, "
                         "build or number of learner ranks computes other bits (strict_replay off accepts that)",
                         done.step, done.weights_digest.short_hex(), done.loss, record.facts.weights_digest.short_hex(),
                         record.facts.loss));
    return false;
  }
  follow_replay(done.step.value, done);
  append(StepTrained{done, record.facts.run_digest, record.facts.times});
  return true;
}

// strict_replay off: the journal follows, this step and, as each is replayed, those after it.
void RunCore::follow_replay(uint64_t step, const StepDone& done) {
  steps_[step].facts.weights_digest = done.weights_digest;
  steps_[step].facts.loss = done.loss;
  Digest digest = step == 0 ? initial_run_digest(options_.plan) : steps_[step - 1].facts.run_digest;
  for (uint64_t later = step; later < trained_; ++later) {
    digest = steps_[later].facts.run_digest = chain(digest, steps_[later].facts);
  }
  run_digest_ = digest;
}

}  // namespace prosodia::core
