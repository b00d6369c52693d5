#include "workers/learner/learner.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "data/base/bytes.h"
#include "data/base/exit_code.h"
#include "workers/learner/collective_deadline.h"
#include "workers/learner/guarded.h"
#include "workers/learner/learner_state.h"

namespace prosodia {
namespace {

constexpr std::chrono::milliseconds kPoll{50};  // how long a stop request may wait to be seen

// What rank 0 tells the others to do next.
struct Command {
  enum class Kind : uint8_t { kStep, kCheckpoint, kFinish, kMeet };
  Kind kind = Kind::kFinish;
  protocol::StepBatch batch;      // kStep
  std::string reason;             // kCheckpoint, kFinish
  std::optional<ErrorCode> code;  // kFinish: unset = all done
};

Result<Command> share(Collective& collective, const Command& mine) {
  if (collective.size() == 1) return mine;
  std::vector<std::byte> bytes;
  if (collective.rank() == 0) {
    ByteWriter writer;
    writer.put(mine.kind);
    writer.put(static_cast<int32_t>(mine.code ? static_cast<int32_t>(*mine.code) : -1));
    writer.put_string(mine.reason);
    if (mine.kind == Command::Kind::kStep) writer.put_bytes(protocol::encode(mine.batch));
    bytes = writer.take();
  }
  PROSODIA_TRY(collective.broadcast_bytes(bytes, 0));
  if (collective.rank() == 0) return mine;
  ByteReader reader(bytes);
  Command command;
  command.kind = reader.get<Command::Kind>();
  if (const auto code = reader.get<int32_t>(); code >= 0) command.code = static_cast<ErrorCode>(code);
  command.reason = reader.get_string();
  if (command.kind == Command::Kind::kStep) {
    PROSODIA_ASSIGN(command.batch, protocol::decode<protocol::StepBatch>(reader.get_bytes(reader.remaining())));
  }
  return command;
}

protocol::StepDone done_of(const GrpoOutcome& outcome) {
  return {StepId(outcome.step), PolicyVersion(outcome.new_version), outcome.batch, outcome.weights, outcome.loss,
          outcome.metrics};
}

class LearnerRun {
 public:
  LearnerRun(const LearnerOptions& options, Collective& collective)
      : options_(options),
        collective_(collective),
        deadline_(options.collective_limit),
        store_(posix_file_system(), options.checkpoint_dir) {}

  Result<LearnerReport> run(const ConnectLearner& connect) {
    collective_.set_deadline(deadline_.limit());
    PROSODIA_TRY(start(connect));
    report_.first_step = state_->version();
    auto idle_since = TraceWriter::Clock::now();
    while (true) {
      Command mine;
      if (rank0()) mine = next_command();
      PROSODIA_ASSIGN(const Command command, share(collective_, mine));
      if (command.kind != Command::Kind::kMeet) trace_wait(idle_since);
      switch (command.kind) {
        case Command::Kind::kStep:
          PROSODIA_TRY(do_step(command.batch));
          break;
        case Command::Kind::kCheckpoint:
          PROSODIA_TRY(save());
          break;
        case Command::Kind::kMeet:
          PROSODIA_TRY(collective_.barrier());
          break;
        case Command::Kind::kFinish:
          return finish(command);
      }
      if (command.kind != Command::Kind::kMeet) idle_since = TraceWriter::Clock::now();
    }
  }

 private:
  bool rank0() const { return collective_.rank() == 0; }

  void trace_wait(TraceWriter::Clock::time_point since) const {
    if (options_.trace != nullptr)
      options_.trace->add("wait", since, TraceWriter::Clock::now(), {{"step", state_->version() + 1}});
  }

  // Rank 0 listens, connects and learns where to go on from; then every rank loads that version.
  Status start(const ConnectLearner& connect) {
    uint64_t version = 0;
    Status status;
    if (rank0()) {
      auto answer = hello(connect);
      if (answer)
        version = *answer;
      else
        status = tl::unexpected(answer.error());
    }
    PROSODIA_TRY(collective_.agree(status));
    PROSODIA_TRY(collective_.broadcast(std::as_writable_bytes(std::span(&version, 1)), 0));
    const auto from = version == 0 ? options_.model_dir : store_.path_of(version);
    PROSODIA_ASSIGN(state_, LearnerState::load(options_, collective_, from));
    saved_version_ = version == 0 ? std::optional<uint64_t>() : version;
    state_->trace_to(options_.trace);
    if (rank0()) {
      state_->on_progress([this] { link_->report_progress(lease_, ++progress_); });
      spdlog::info("learner: version {} loaded from {}", version, from.string());
      for (auto& [earlier, snapshot] : state_->earlier_versions()) server_->publish(earlier, snapshot);
      server_->publish(version, state_->packed());
      status = link_->announce_weights(server_->served());
    }
    return collective_.agree(status);
  }

  Result<uint64_t> hello(const ConnectLearner& connect) {
    WeightServerOptions weights = options_.weights;
    weights.keep_versions = static_cast<int>(options_.lag) + 2;
    PROSODIA_ASSIGN(server_, WeightServer::start(weights));
    // Until this process ends: a group that was fenced but still runs must not write beside us.
    PROSODIA_ASSIGN(checkpoint_lock_, store_.lock());
    LearnerHello hello{{PolicyVersion(0)}, server_->endpoint()};
    for (const uint64_t step : store_.steps()) {
      const auto info = store_.verify(store_.path_of(step));
      if (info && step > 0)
        hello.resumable.emplace_back(step);
      else if (!info)
        spdlog::warn("learner: {}; passed over", info.error().message);
    }
    PROSODIA_ASSIGN(link_, connect(hello));
    const uint64_t version = link_->resume_version();
    if (std::find(hello.resumable.begin(), hello.resumable.end(), PolicyVersion(version)) == hello.resumable.end())
      return fail(ErrorCode::kUnavailable,
                  "the coordinator wants the learner to go on from version {}, which {} does not hold", version,
                  store_.root().string());
    return version;
  }

  // Waits for the coordinator. An error of the link ends the group after a checkpoint.
  Command next_command() {
    const auto meet_at = std::chrono::steady_clock::now() + options_.meet_every;
    while (true) {
      if (collective_.size() > 1 && std::chrono::steady_clock::now() >= meet_at)
        return {Command::Kind::kMeet, {}, "", {}};
      if (options_.stop_requested && options_.stop_requested())
        return {Command::Kind::kFinish, {}, "asked to stop", ErrorCode::kInterrupted};
      auto task = link_->next(kPoll);
      if (!task) return {Command::Kind::kFinish, {}, task.error().message, task.error().code};
      lease_ = task->lease;
      if (auto* batch = std::get_if<protocol::StepBatch>(&task->body)) {
        if (!answered_again(*batch)) return {Command::Kind::kStep, std::move(*batch), "", {}};
      } else if (auto* request = std::get_if<protocol::CheckpointRequest>(&task->body)) {
        return {Command::Kind::kCheckpoint, {}, request->reason, {}};
      } else if (auto* shutdown = std::get_if<protocol::Shutdown>(&task->body)) {
        return {Command::Kind::kFinish, {}, shutdown->reason, error_code_of_exit(shutdown->exit_code)};
      }
    }
  }

  // The step just done, leased anew (its StepDone was lost with the coordinator): the kept outcome answers.
  bool answered_again(const protocol::StepBatch& batch) {
    if (!last_ || last_->step != batch.step.value || last_->batch != batch.batch_digest) return false;
    return link_->step_done(lease_, done_of(*last_)).has_value();
  }

  Status do_step(const protocol::StepBatch& batch) {
    using std::chrono::steady_clock;
    const auto begin = steady_clock::now();
    const TraceSpan span(options_.trace, "train", batch.step.value + 1);
    PROSODIA_ASSIGN(GrpoOutcome outcome, state_->step(batch));
    Status status;
    if (rank0()) {
      const TraceSpan span(options_.trace, "publish", outcome.new_version);
      server_->publish(outcome.new_version, outcome.packed);
      status = link_->announce_weights(server_->served());
      if (status) status = link_->step_done(lease_, done_of(outcome));
      last_ = std::move(outcome);
    }
    PROSODIA_TRY(collective_.agree(status));
    deadline_.on_step(std::chrono::ceil<std::chrono::milliseconds>(steady_clock::now() - begin));
    collective_.set_deadline(deadline_.of_step());
    const uint64_t version = state_->version();
    const bool last = options_.max_steps > 0 && version == static_cast<uint64_t>(options_.max_steps);
    if (last || version % static_cast<uint64_t>(std::max<int64_t>(1, options_.save_steps)) == 0) return save();
    return {};
  }

  Status save() {
    collective_.set_deadline(deadline_.limit());  // the others wait while rank 0 writes
    if (saved_version_ != state_->version()) {
      const TraceSpan span(options_.trace, "checkpoint", state_->version());
      std::map<uint64_t, PackedWeights> kept;
      if (rank0()) kept = server_->kept();
      PROSODIA_TRY(state_->save(store_, std::move(kept)));
      saved_version_ = state_->version();
    }
    Status status;
    if (rank0())
      status = link_->checkpoint_committed({PolicyVersion(*saved_version_), store_.path_of(*saved_version_).string()});
    PROSODIA_TRY(collective_.agree(status));
    collective_.set_deadline(deadline_.of_step());
    return {};
  }

  Result<LearnerReport> finish(const Command& command) {
    // A newer learner has taken our place: the checkpoint folder is its own now.
    const bool fenced = command.code == ErrorCode::kStale;
    if (!fenced && state_->version() > 0 && saved_version_ != state_->version()) PROSODIA_TRY(save());
    report_.next_step = state_->version();
    if (rank0()) {
      report_.weights = state_->packed()->digest;
      if (command.code != ErrorCode::kUnavailable) link_->flush();  // the coordinator is there to acknowledge
    }
    if (!command.code) return report_;
    if (*command.code == ErrorCode::kInterrupted)
      return fail(ErrorCode::kInterrupted, "learner: {}; version {} is saved. Next: the same command goes on",
                  command.reason, state_->version());
    return fail(*command.code, "learner: {} (version {} {})", command.reason, state_->version(),
                fenced ? "was not saved: another learner runs" : "is saved");
  }

  const LearnerOptions& options_;
  Collective& collective_;
  CollectiveDeadline deadline_;
  CheckpointStore store_;
  std::unique_ptr<FileLock> checkpoint_lock_;  // rank 0
  std::unique_ptr<WeightServer> server_;       // rank 0
  std::unique_ptr<LearnerLink> link_;          // rank 0
  std::unique_ptr<LearnerState> state_;
  std::optional<GrpoOutcome> last_;  // rank 0: the newest step, until the next
  std::optional<uint64_t> saved_version_;
  LeaseId lease_;
  uint64_t progress_ = 0;
  LearnerReport report_;
};

}  // namespace

Result<LearnerReport> run_learner(const LearnerOptions& options, Collective& collective,
                                  const ConnectLearner& connect) {
  return guarded("learner", [&] { return LearnerRun(options, collective).run(connect); });
}

int finish_process(Collective& collective, const Status& status) {
  if (status) return 0;
  const int code = exit_code(status.error().code);
  if (status.error().code == ErrorCode::kInterrupted || collective.size() == 1) return code;
  collective.abort(code, status.error().message);
  std::_Exit(code);  // not reached
}

}  // namespace prosodia
