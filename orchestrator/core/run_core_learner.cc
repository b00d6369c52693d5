// RunCore: the learner. Where it starts, what it announces, steps it finishes, checkpoints, the end of the run.
#include <algorithm>
#include <bit>

#include "data/base/check.h"
#include "orchestrator/core/run_core_send.h"

namespace prosodia::core {

using namespace protocol;

void RunCore::on_learner_hello(Worker& worker, const Hello& hello, int64_t now_ms) {
  if (is_current_learner(worker) && learner_.state != LearnerState::kAbsent) {
    welcome(worker, learner_.resume_version);  // a repeated Hello
    return;
  }
  learner_.peer = worker.peer;
  learner_.weights_endpoint = hello.weights_endpoint;
  learner_.served_seq = 0;
  if (!hello.served.empty()) {
    if (resume_running(worker, hello, now_ms)) welcome(worker, learner_.resume_version);
    return;
  }
  // A checkpoint of version c serves versions max(0, c - lag) .. c, which are all that steps from c on need, and steps
  // below `trained` need no sampling. So the newest one that the journal knows is right.
  std::optional<PolicyVersion> best;
  for (PolicyVersion version : hello.resumable) {
    if (version.value <= trained_ && (!best || version > *best)) best = version;
  }
  if (!best) {
    ++counters_.hellos_rejected;
    send(worker.peer, Reject{RejectCode::kBadHello,
                             fmt::format("{} offers no version to start from up to {}, the newest that the journal "
                                         "knows: it must offer at least 0, the initial model",
                                         worker.name, trained_)});
    return;
  }
  if (best->value < released_steps_) {
    learner_.peer.clear();  // its next Hello finds the batches back in memory
    actions_.push_back(Reload{StepId(best->value), StepId(released_steps_)});
    return;
  }
  learner_.resume_version = *best;
  learner_.apply(LearnerEvent::kHelloFresh);
  welcome(worker, *best);
}

// The learner runs already and the coordinator is the one that restarted (or took it for dead).
bool RunCore::resume_running(Worker& worker, const Hello& hello, int64_t now_ms) {
  const PolicyVersion newest = hello.served.back().version;
  // It may be one step ahead: the StepDone that we have not seen is on its way, for a batch that we journaled.
  const bool ahead =
      newest.value == trained_ + 1 && progress_.contains(trained_) && progress_.at(trained_).batch_digest;
  if ((newest.value > trained_ && !ahead) || newest.value < released_steps_) {
    refuse(
        worker, FrameHeader{}, RefusalReason::kStaleEpoch,
        fmt::format("the learner is at version {}, the journal at {}: restart it from a checkpoint", newest, trained_));
    workers_.apply(worker, WorkerEvent::kReplaced);
    learner_.peer.clear();
    return false;
  }
  if (!check_served(WeightsReady{hello.served})) return false;
  learner_.resume_version = newest;
  learner_.next_step = StepId(newest.value);
  learner_.served.clear();
  for (const auto& [version, digest] : hello.served) learner_.served[version] = digest;
  learner_.idle_since_ms = now_ms;
  if (newest.value > trained_) {
    learner_.next_step = StepId(trained_);  // until its StepDone arrives
    learner_.lease = leases_.next_id();
    learner_.batch_sent_ms = now_ms;
  }
  learner_.apply(newest.value > trained_ ? LearnerEvent::kHelloAhead : LearnerEvent::kHelloRunning);
  if (stopping_) request_checkpoint("the run was asked to stop", now_ms);
  return true;
}

// Announced weights must be those that the journal knows. False: the run failed.
bool RunCore::check_served(const WeightsReady& ready) {
  for (const auto& [version, digest] : ready.served) {
    if (version.value == 0) {
      if (!initial_weights_) {
        initial_weights_ = digest;
        append(InitialWeights{digest});
      } else if (*initial_weights_ != digest) {
        fail_run(ErrorCode::kInvalidInput,
                 fmt::format("the initial model has digest {}, this run began with {}: give the same --model, or a new "
                             "--output_dir",
                             digest.short_hex(), initial_weights_->short_hex()));
        return false;
      }
    } else if (version.value <= trained_ && steps_[version.value - 1].weights_digest != digest) {
      ++counters_.replay_mismatches;
      if (!options_.strict_replay) continue;
      fail_run(ErrorCode::kCorruption,
               fmt::format("the learner serves version {} with digest {}, the journal has {}: its checkpoint is not of "
                           "this run, or the machine computes other bits (strict_replay off accepts that)",
                           version, digest.short_hex(), steps_[version.value - 1].weights_digest.short_hex()));
      return false;
    }
  }
  return true;
}

void RunCore::on_weights_ready(Worker& worker, const FrameHeader& header, const WeightsReady& ready, int64_t now_ms) {
  if (!is_current_learner(worker) || ready.served.empty()) {
    refuse(worker, header, RefusalReason::kBadRole, "only the current learner announces weights, and at least one");
    return;
  }
  acknowledge(worker, header);
  if (header.seq <= learner_.served_seq) return;  // overtaken by a newer announcement
  if (!check_served(ready)) return;
  learner_.served_seq = header.seq;
  learner_.served.clear();
  for (const auto& [version, digest] : ready.served) learner_.served[version] = digest;
  if (learner_.state != LearnerState::kLoading) return;
  const PolicyVersion newest = learner_.served.rbegin()->first;
  if (newest.value > trained_ || newest.value < released_steps_ || !can_sample_from(newest)) {
    refuse(
        worker, header, RefusalReason::kStaleEpoch,
        fmt::format("the learner serves versions {} to {}; it was told to start from {} and to serve the {} versions "
                    "before it: restart it",
                    learner_.served.begin()->first, newest, learner_.resume_version, options_.plan.lag));
    lose_worker(worker, WorkerEvent::kReplaced, now_ms);
    return;
  }
  learner_.next_step = StepId(newest.value);
  learner_.idle_since_ms = now_ms;
  learner_.apply(LearnerEvent::kWeightsReady);
  // A learner that stands at the end has a checkpoint of it: it started from there.
  if (newest.value == options_.plan.total_steps && last_checkpoint() < newest) {
    checkpoints_.push_back(newest);
    append(CheckpointSaved{newest, ""});
  }
  if (stopping_) request_checkpoint("the run was asked to stop", now_ms);
}

// Whether every group that waits for a version below `newest`, which no training will bring back, can have it.
bool RunCore::can_sample_from(PolicyVersion newest) const {
  return std::all_of(groups_.planned().begin(), groups_.planned().end(), [&](GroupId id) {
    const PolicyVersion needed = plan_.version_of(plan_.step_of(id));
    return needed >= newest || learner_.served.contains(needed);
  });
}

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
  const bool is_next = done.step == learner_.next_step &&
                       (learner_.state == LearnerState::kTraining || learner_.state == LearnerState::kIdle);
  if (done.step.value == trained_ ? !accept_trained(done, now_ms) : !accept_replayed(done)) {
    if (!finished_) refuse(worker, header, RefusalReason::kOutOfOrder, "no such batch was sent");
    return;
  }
  acknowledge(worker, header);
  if (!is_next) return;
  learner_.apply(LearnerEvent::kStepDone);
  learner_.next_step = StepId(done.step.value + 1);
  learner_.idle_since_ms = now_ms;
}

bool RunCore::accept_trained(const StepDone& done, int64_t now_ms) {
  const auto found = progress_.find(done.step.value);
  if (found == progress_.end() || found->second.batch_digest != done.batch_digest) return false;
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
  append(StepTrained{done, chain(run_digest_, done), times});
  record_trained(done, times);
  actions_.push_back(StepFinished{done.step});
  return true;
}

// Bookkeeping of a step's end, when it happens and when the journal is replayed.
void RunCore::record_trained(const StepDone& done, const StepTimes& times) {
  const StepProgress& progress = progress_.at(done.step.value);
  StepRecord record;
  record.batch_digest = done.batch_digest;
  record.weights_digest = done.weights_digest;
  record.loss = done.loss;
  record.gate = progress.gate.value_or(0);
  record.accuracy = step_accuracy(done.step);
  record.run_digest = run_digest_ = chain(run_digest_, done);
  record.times = times;
  record.learner_metrics = done.metrics;
  gate_.observe(done.step, record.accuracy);
  steps_.push_back(std::move(record));
  for (uint32_t slot = 0; slot < options_.plan.prompts_per_step; ++slot) {
    groups_.apply(*groups_.find(plan_.group(done.step, slot)), GroupEvent::kTrain);
  }
  progress_.erase(done.step.value);
  trained_ = done.step.value + 1;
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
  return steps_.empty() ? 0 : steps_.back().accuracy;
}

Digest RunCore::chain(const Digest& before, const StepDone& done) const {
  return chain_run_digest(before, done.batch_digest, done.loss, done.weights_digest);
}

// A step that was trained before, again after the learner resumed: it must give the journaled bits.
bool RunCore::accept_replayed(const StepDone& done) {
  StepRecord& record = steps_[done.step.value];
  if (done.batch_digest != record.batch_digest) return false;
  ++counters_.steps_replayed;
  const bool same_bits = done.weights_digest == record.weights_digest &&
                         std::bit_cast<uint64_t>(done.loss) == std::bit_cast<uint64_t>(record.loss);
  if (same_bits) return true;
  ++counters_.replay_mismatches;
  if (options_.strict_replay) {
    fail_run(ErrorCode::kCorruption,
             fmt::format("replaying step {} gave weights {} and loss {}, the journal has {} and {}: another machine, "
                         "build or number of learner ranks computes other bits (strict_replay off accepts that)",
                         done.step, done.weights_digest.short_hex(), done.loss, record.weights_digest.short_hex(),
                         record.loss));
    return false;
  }
  // The journal follows: this step and, as each is replayed, those after it.
  const Digest before =
      done.step.value == 0 ? initial_run_digest(options_.plan) : steps_[done.step.value - 1].run_digest;
  record.weights_digest = done.weights_digest;
  record.loss = done.loss;
  record.run_digest = chain(before, done);
  for (uint64_t later = done.step.value + 1; later < trained_; ++later) {
    StepDone kept;
    kept.batch_digest = steps_[later].batch_digest;
    kept.loss = steps_[later].loss;
    kept.weights_digest = steps_[later].weights_digest;
    steps_[later].run_digest = chain(steps_[later - 1].run_digest, kept);
  }
  run_digest_ = steps_.back().run_digest;
  append(StepTrained{done, record.run_digest, record.times});
  return true;
}

void RunCore::on_checkpoint(Worker& worker, const FrameHeader& header, const CheckpointCommitted& committed,
                            int64_t now_ms) {
  if (!is_current_learner(worker)) {
    refuse(worker, header, RefusalReason::kStaleEpoch, "another learner runs");
    return;
  }
  if (committed.version.value > trained_) {
    // Its StepDone is still on the way; the learner sends both again.
    return;
  }
  if (checkpoints_.empty() || committed.version > checkpoints_.back()) {
    append(CheckpointSaved{committed.version, committed.path});
    checkpoints_.push_back(committed.version);
    if (checkpoints_.size() > 2) checkpoints_.erase(checkpoints_.begin());
    release();
  }
  acknowledge(worker, header);
  if (stopping_) stop_if_saved(now_ms);
}

void RunCore::request_checkpoint(const std::string& reason, int64_t now_ms) {
  checkpoint_requested_ms_ = now_ms;
  send(learner_.peer, CheckpointRequest{reason});
}

// Asks again for what may have been lost on the way.
void RunCore::watch_learner(int64_t now_ms) {
  if (learner_.state != LearnerState::kIdle) return;
  const bool at_the_end = trained_ == options_.plan.total_steps && last_checkpoint().value < trained_;
  if (!at_the_end && !stopping_) return;
  const int64_t last_ms = std::max(checkpoint_requested_ms_, at_the_end ? last_step_done_ms_ : int64_t{-1});
  if (now_ms - last_ms < options_.final_checkpoint_ms) return;
  request_checkpoint(stopping_ ? "the run was asked to stop" : "the run is complete", now_ms);
}

void RunCore::lose_learner(int64_t now_ms) {
  if (learner_.state == LearnerState::kAbsent) return;
  learner_.apply(LearnerEvent::kLost);
  learner_.served.clear();
  learner_.peer.clear();
  if (stopping_) stop_if_saved(now_ms);
}

void RunCore::complete_if_done() {
  if (finished_ || trained_ < options_.plan.total_steps || last_checkpoint().value < trained_) return;
  append(RunComplete{trained_, run_digest_});
  complete_recorded_ = true;
  shut_down(0, "the run is complete");
  actions_.push_back(Complete{trained_, run_digest_});
}

// A stop waits for the learner's checkpoint of the version it has, for a grace period.
void RunCore::stop_if_saved(int64_t now_ms) {
  if (finished_) return;
  const bool saved = learner_.state == LearnerState::kIdle && learner_.next_step.value <= last_checkpoint().value;
  const bool nobody = learner_.state == LearnerState::kAbsent;
  if (!saved && !nobody && now_ms < stop_deadline_ms_) return;
  const std::string detail = fmt::format(
      "stopped after {} steps; the newest checkpoint is of version {}, the journal has the rest. Rerun the "
      "same command to go on",
      trained_, last_checkpoint());
  shut_down(exit_code(ErrorCode::kInterrupted), "the run was asked to stop");
  actions_.push_back(Stopped{detail});
}

void RunCore::archived(StepId end) {
  archived_before_ = std::max(archived_before_, end.value);
  release();
}

// Trained groups are kept for replays from the last checkpoint but one, and until they are archived.
uint64_t RunCore::release_floor() const {
  const uint64_t replayable = checkpoints_.size() < 2 ? 0 : checkpoints_.front().value;
  uint64_t in_use = trained_;
  if (learner_.state == LearnerState::kLoading) in_use = learner_.resume_version.value;
  if (learner_.state == LearnerState::kIdle || learner_.state == LearnerState::kTraining) {
    in_use = learner_.next_step.value;
  }
  return std::min({replayable, archived_before_, trained_, in_use});
}

void RunCore::release() {
  const uint64_t floor = release_floor();
  if (floor <= released_steps_) return;
  groups_.erase_before(plan_.group(StepId(floor), 0));
  released_steps_ = floor;
}

}  // namespace prosodia::core
