#include "workers/learner/replay.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "workers/learner/guarded.h"
#include "workers/learner/learner_state.h"

namespace prosodia {
namespace {

using Batch = std::optional<protocol::StepBatch>;

class Replay {
 public:
  Replay(const ReplayOptions& options, Collective& collective, const ReplayHooks& hooks)
      : options_(options.learner),
        start_from_(options.start_from),
        collective_(collective),
        hooks_(hooks),
        store_(posix_file_system(), options.learner.checkpoint_dir) {}

  Result<LearnerReport> run(const std::filesystem::path& output_dir) {
    PROSODIA_ASSIGN(state_, load());
    LearnerReport report{state_->version(), 0, {}};
    saved_version_ = state_->version();
    PROSODIA_TRY(show(nullptr));
    while (true) {
      PROSODIA_ASSIGN(const Batch batch, next_batch());
      if (!batch) break;
      PROSODIA_ASSIGN(const GrpoOutcome outcome, state_->step(*batch));
      PROSODIA_TRY(show(&outcome));
      if (state_->version() % static_cast<uint64_t>(std::max<int64_t>(1, options_.save_steps)) == 0)
        PROSODIA_TRY(save());
    }
    if (interrupted_) PROSODIA_TRY(save());
    PROSODIA_TRY(report_interruption());
    if (!output_dir.empty()) PROSODIA_TRY(state_->write_model(output_dir));
    report.next_step = state_->version();
    if (rank0()) report.weights = state_->packed()->digest;
    return report;
  }

 private:
  bool rank0() const { return collective_.rank() == 0; }
  bool keeps_checkpoints() const { return !options_.checkpoint_dir.empty(); }

  Result<std::unique_ptr<LearnerState>> load() {
    std::filesystem::path from = start_from_.empty() ? options_.model_dir : start_from_;
    if (keeps_checkpoints()) {
      PROSODIA_ASSIGN(const auto own, find_checkpoint(store_, collective_));
      if (own) from = *own;
    }
    if (rank0()) spdlog::info("replay: starts from {}", from.string());
    return LearnerState::load(options_, collective_, from);
  }

  // Tells the observer where the replay is; every rank gets its answer with the next batch.
  Status show(const GrpoOutcome* outcome) {
    Status status;
    if (rank0() && hooks_.on_version) {
      const ReplayPosition position{state_->version(), state_->packed()->digest, outcome,
                                    [this] { return state_->tensor_checksums(); }};
      const auto go_on = hooks_.on_version(position);
      if (go_on)
        ended_ = !*go_on;
      else
        status = tl::unexpected(go_on.error());
    }
    return collective_.agree(status);
  }

  // Rank 0 decides and reads; the others get the same bytes. Nothing: the end, or interrupted_.
  Result<Batch> next_batch() {
    Batch batch;
    Status status;
    uint8_t verdict = 0;  // 0: a batch follows, 1: the end, 2: interrupted
    if (rank0()) {
      if (options_.stop_requested && options_.stop_requested()) {
        verdict = 2;
      } else if (ended_) {
        verdict = 1;
      } else if (auto found = hooks_.batch_of(state_->version())) {
        batch = std::move(*found);
        verdict = batch ? 0 : 1;
      } else {
        status = tl::unexpected(found.error());
      }
    }
    PROSODIA_TRY(collective_.agree(status));
    PROSODIA_TRY(collective_.broadcast(std::as_writable_bytes(std::span(&verdict, 1)), 0));
    interrupted_ = verdict == 2;
    if (verdict != 0 || collective_.size() == 1) return batch;
    std::vector<std::byte> bytes;
    if (rank0()) bytes = protocol::encode(*batch);
    PROSODIA_TRY(collective_.broadcast_bytes(bytes, 0));
    if (!rank0()) {
      PROSODIA_ASSIGN(batch, protocol::decode<protocol::StepBatch>(bytes));
    }
    return batch;
  }

  Status save() {
    if (!keeps_checkpoints() || saved_version_ == state_->version()) return {};
    const auto saved = state_->save(store_, {});
    if (!saved) return tl::unexpected(saved.error());
    saved_version_ = state_->version();
    return collective_.agree(rank0() && hooks_.on_saved ? hooks_.on_saved(saved_version_) : Status{});
  }

  Status report_interruption() const {
    if (!interrupted_) return {};
    if (!keeps_checkpoints()) return fail(ErrorCode::kInterrupted, "replay: stopped at version {}", state_->version());
    return fail(ErrorCode::kInterrupted, "replay: stopped; version {} is saved. Next: the same command goes on",
                state_->version());
  }

  const LearnerOptions& options_;
  const std::filesystem::path& start_from_;
  Collective& collective_;
  const ReplayHooks& hooks_;
  CheckpointStore store_;
  std::unique_ptr<LearnerState> state_;
  uint64_t saved_version_ = 0;
  bool ended_ = false, interrupted_ = false;
};

}  // namespace

Result<LearnerReport> replay_steps(const ReplayOptions& options, Collective& collective, const ReplayHooks& hooks,
                                   const std::filesystem::path& output_dir) {
  return guarded("replay", [&] { return Replay(options, collective, hooks).run(output_dir); });
}

}  // namespace prosodia
