// RunCore: the learner. Where it starts, what it announces, when it is stuck or lost.
#include <algorithm>

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
  learner_.last_progress_ms = now_ms;
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
    learner_.peer.clear();
    expect_back(worker.name, now_ms);
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
  start_learner(worker, *best);
}

void RunCore::start_learner(Worker& worker, PolicyVersion from) {
  learner_.resume_version = from;
  learner_lost_ms_ = -1;
  must_advance<LearnerLifecycle>(learner_.state, LearnerEvent::kHelloFresh, counters_.reasons);
  welcome(worker, from);
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
    learner_.peer.clear();
    lose_worker(worker, WorkerEvent::kReplaced, now_ms);  // should it not exit, it is reported as missing
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
  learner_lost_ms_ = -1;
  const bool is_ahead = newest.value > trained_;
  if (is_ahead) must_advance<BatchLifecycle>(batch_state(StepId(trained_)), BatchEvent::kSend, counters_.reasons);
  must_advance<LearnerLifecycle>(learner_.state, is_ahead ? LearnerEvent::kHelloAhead : LearnerEvent::kHelloRunning,
                                 counters_.reasons);
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
    } else if (version.value <= trained_ && steps_[version.value - 1].facts.weights_digest != digest) {
      ++counters_.replay_mismatches;
      if (!options_.strict_replay) continue;
      fail_run(ErrorCode::kCorruption,
               fmt::format("the learner serves version {} with digest {}, the journal has {}: its checkpoint is not of "
                           "this run, or the machine computes other bits (strict_replay off accepts that)",
                           version, digest.short_hex(), steps_[version.value - 1].facts.weights_digest.short_hex()));
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
  if (learner_.state != LearnerState::kLoading) {
    (void)advance<LearnerLifecycle>(learner_.state, LearnerEvent::kWeightsReady, counters_.reasons);
    return;
  }
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
  if (!advance<LearnerLifecycle>(learner_.state, LearnerEvent::kWeightsReady, counters_.reasons)) return;
  learner_.next_step = StepId(newest.value);
  learner_.idle_since_ms = now_ms;
  // A learner that stands at the end has a checkpoint of it: it started from there.
  if (newest.value == options_.plan.total_steps && last_checkpoint() < newest) {
    if (!advance<CheckpointLifecycle>(checkpoint_, CheckpointEvent::kCommitNewest, counters_.reasons)) return;
    append(CheckpointSaved{newest, ""});
    add_checkpoint(newest);
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

// The learner group stands still: a rank was stopped, or a collective waits for one that will not come. Its heartbeats
// prove nothing, rank 0 sends them from a thread of its own.
void RunCore::watch_learner(int64_t now_ms) {
  if (learner_.state == LearnerState::kAbsent) {
    if (learner_lost_ms_ < 0 || stopping_ || now_ms - learner_lost_ms_ < options_.learner_return_ms) return;
    return fail_run(ErrorCode::kUnavailable,
                    fmt::format("the learner was lost and none came back within {} s: look at the learner's log, then "
                                "run the same command again; it goes on from the newest checkpoint",
                                options_.learner_return_ms / 1000));
  }
  const bool has_work = learner_.state != LearnerState::kIdle || checkpoint_ == CheckpointState::kRequested;
  if (!has_work || now_ms - learner_.last_progress_ms < options_.learner_timeout_ms) return;
  Worker* worker = workers_.find(learner_.peer);
  PROSODIA_CHECK(worker != nullptr && worker->state == WorkerState::kLive, "the current learner {}", learner_.peer);
  wedge(
      *worker, WorkerEvent::kStuck,
      fmt::format("the learner group made no progress for {} s while it was {}: a rank stopped, or a collective waits "
                  "for one",
                  options_.learner_timeout_ms / 1000, name_of<LearnerLifecycle>(learner_.state)),
      now_ms);
}

void RunCore::lose_learner(LearnerEvent why, int64_t now_ms) {
  if (learner_.state == LearnerState::kAbsent) return;
  if (learner_.state == LearnerState::kTraining) {
    must_advance<BatchLifecycle>(batch_state(learner_.next_step), BatchEvent::kLearnerLost, counters_.reasons);
  }
  must_advance<LearnerLifecycle>(learner_.state, why, counters_.reasons);
  must_advance<CheckpointLifecycle>(checkpoint_, CheckpointEvent::kLearnerLost, counters_.reasons);
  learner_.served.clear();
  learner_.peer.clear();
  learner_lost_ms_ = now_ms;
  if (stopping_) stop_if_saved(now_ms);
}

}  // namespace prosodia::core
