// RunCore: checkpoints, what may be forgotten after them, and the end of the run.
#include <algorithm>

#include "data/base/check.h"
#include "orchestrator/core/run_core_send.h"

namespace prosodia::core {

using namespace protocol;

void RunCore::on_checkpoint(Worker& worker, const FrameHeader& header, const CheckpointCommitted& committed,
                            int64_t now_ms) {
  if (!is_current_learner(worker)) {
    refuse(worker, header, RefusalReason::kStaleEpoch, "another learner runs");
    return;
  }
  const uint64_t version = committed.version.value;
  CheckpointEvent event = version == trained_ ? CheckpointEvent::kCommitNewest : CheckpointEvent::kCommitOlder;
  if (version > trained_) {
    event = CheckpointEvent::kCommitAhead;
  } else if (version <= last_checkpoint().value) {  // version 0 always: it is the initial model
    event = CheckpointEvent::kCommitKnown;
  }
  // Ahead: its StepDone is still on the way; the learner sends both again.
  if (!advance<CheckpointLifecycle>(checkpoint_, event, counters_.reasons)) return;
  if (event != CheckpointEvent::kCommitKnown) {
    append(CheckpointSaved{committed.version, committed.path});
    add_checkpoint(committed.version);
  }
  acknowledge(worker, header);
  if (stopping_) stop_if_saved(now_ms);
}

void RunCore::add_checkpoint(PolicyVersion version) {
  checkpoints_.push_back(version);
  if (checkpoints_.size() > 2) checkpoints_.erase(checkpoints_.begin());
  release();
}

void RunCore::request_checkpoint(const std::string& reason, int64_t now_ms) {
  must_advance<CheckpointLifecycle>(checkpoint_, CheckpointEvent::kRequest, counters_.reasons);
  checkpoint_requested_ms_ = now_ms;
  send(learner_.peer, CheckpointRequest{reason});
}

// Asks for the checkpoint that the end of the run waits for, and again for what may have been lost on the way.
void RunCore::request_final_checkpoint(int64_t now_ms) {
  if (learner_.state != LearnerState::kIdle) return;
  const bool at_the_end = trained_ == options_.plan.total_steps && last_checkpoint().value < trained_;
  if (!at_the_end && !stopping_) return;
  const int64_t last_ms = std::max(checkpoint_requested_ms_, at_the_end ? last_step_done_ms_ : int64_t{-1});
  if (now_ms - last_ms < options_.final_checkpoint_ms) return;
  request_checkpoint(stopping_ ? "the run was asked to stop" : "the run is complete", now_ms);
}

void RunCore::shut_down(int32_t code, const std::string& reason) {
  for (const auto& [peer, worker] : workers_.all()) {
    if (worker.state == WorkerState::kLive) send(peer, Shutdown{code, reason});
  }
  finished_ = true;
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
