#include "orchestrator/doctor/run_check.h"

#include <bit>
#include <cstring>

#include "data/store/checkpoint_dir.h"
#include "data/store/lock_probe.h"
#include "orchestrator/coordinator/archive.h"
#include "orchestrator/coordinator/run_records.h"
#include "orchestrator/core/run_core.h"
#include "orchestrator/doctor/metrics_check.h"

namespace prosodia::doctor {
namespace {

using Path = std::filesystem::path;

class RunCheck {
 public:
  RunCheck(FileSystem& fs, const Path& run, const RunCheckOptions& options) : fs_(fs), run_(run), options_(options) {}

  Findings run() {
    check_lock();
    if (!check_journal()) return std::move(findings_);
    check_config();
    check_chain();
    check_archive();
    check_checkpoints();
    for (Finding& finding : check_metrics(fs_, run_, *records_, live_)) add(std::move(finding));
    check_leftovers();
    check_complete();
    return std::move(findings_);
  }

 private:
  void add(Finding finding) { findings_.push_back(std::move(finding)); }
  uint64_t trained() const { return records_->steps.empty() ? 0 : records_->steps.rbegin()->first + 1; }

  void check_lock() {
    const auto holder = lock_holder(run_ / "LOCK");
    if (!holder) return add(warn("lock", holder.error().message, "check the folder's permissions"));
    live_ = holder->has_value();
    add(ok("lock", live_ ? fmt::format("a coordinator is at work here: {}", **holder) : "nobody is at work here"));
  }

  // False: nothing more can be said.
  bool check_journal() {
    auto records = read_run_records(fs_, run_);
    if (!records) {
      add(bad("journal", records.error().message,
              "acknowledged work after this point is lost. Copy the folder away; then start anew in another "
              "--output_dir from the newest checkpoint (--model RUN/checkpoints/step-NNNNNN)",
              records.error().code));
      return false;
    }
    records_ = std::move(*records);
    if (!records_->created) {
      add(bad("journal", fmt::format("{} holds no run: its journal is missing or empty", run_.string()),
              "give the --output_dir of a `prosodia train`", ErrorCode::kInvalidInput));
      return false;
    }
    const JournalRecovery& recovery = records_->recovery;
    add(ok("journal", fmt::format("{} records in {} file(s), LSNs without gaps; {} steps trained, {} start(s)",
                                  recovery.records, recovery.segments, trained(), records_->lives)));
    if (recovery.truncated_bytes > 0 && !live_)
      add(warn("journal", fmt::format("a torn tail of {} bytes, never acknowledged", recovery.truncated_bytes),
               "nothing: the next start cuts it off"));
    return true;
  }

  void check_config() {
    if (!options_.config_digest)
      return add(bad("config.ini", "missing or not readable",
                     "rerun the original `prosodia train` command: it writes it", ErrorCode::kInvalidInput));
    if (*options_.config_digest != records_->created->config_digest)
      return add(bad("config.ini",
                     fmt::format("its digest is {}, the run was created with {}: it was edited",
                                 options_.config_digest->short_hex(), records_->created->config_digest.short_hex()),
                     "rerun the original `prosodia train` command, which names the options that differ",
                     ErrorCode::kInvalidInput));
    add(ok("config.ini", "is the one the run was created with"));
  }

  // The run digest is what everybody quotes: it must follow from the steps.
  void check_chain() {
    const core::RunCreated& created = *records_->created;
    core::PlanOptions plan;
    plan.seed = created.seed;
    plan.prompts_per_step = created.prompts_per_step;
    plan.num_generations = created.num_generations;
    plan.lag = created.lag;
    Digest digest = core::initial_run_digest(plan);
    uint64_t next = 0;
    for (const auto& [step, record] : records_->steps) {
      if (step != next++)
        return add(bad("run digest", fmt::format("step {} is not in the journal", next - 1), "see `journal`",
                       ErrorCode::kCorruption));
      digest = core::chain_run_digest(digest, record.batch, record.loss, record.weights);
      if (digest != record.run_digest)
        return add(bad("run digest",
                       fmt::format("does not follow from the batches, losses and weights at step {}", step),
                       "do not trust this run's results from that step on", ErrorCode::kCorruption));
    }
    add(ok("run digest", fmt::format("{} after {} steps follows from every step", digest.hex(), next)));
  }

  void check_segment(const Segment& segment, uint64_t& steps) {
    const std::string subject = "rollouts/" + segment.path.filename().string();
    const auto archived = read_segment(segment.path);
    if (!archived)
      return add(bad(subject, archived.error().message,
                     "replay cannot use it, nor can a learner that has lost its checkpoints. Restore it from a backup",
                     archived.error().code));
    for (const ArchivedStep& one : *archived) {
      const auto found = records_->steps.find(one.batch.step.value);
      if (found == records_->steps.end()) continue;
      const RecordedStep& journal = found->second;
      if (journal.batch != one.batch.batch_digest || journal.weights != one.weights ||
          std::bit_cast<uint64_t>(journal.loss) != std::bit_cast<uint64_t>(one.loss))
        return add(bad(subject, fmt::format("step {} is not the one the journal has", one.batch.step),
                       "the file belongs to another run: restore the right one", ErrorCode::kCorruption));
    }
    steps += archived->size();
  }

  void check_archive() {
    const auto segments = list_segments(fs_, run_ / "rollouts");
    if (!segments) return add(bad("rollouts", segments.error().message, "check the disk", segments.error().code));
    const size_t before = findings_.size();
    uint64_t steps = 0;
    for (const Segment& segment : *segments) check_segment(segment, steps);
    if (findings_.size() > before) return;
    const uint64_t begin = options_.drops_old_segments && !segments->empty() ? segments->front().first_step : 0;
    const uint64_t end = archived_before(*segments, begin);
    if (end - begin < steps)
      return add(warn("rollouts", fmt::format("step {} is in no segment, later ones are", end),
                      "replay stops there; restore the missing file"));
    if (records_->complete && end < trained())
      return add(warn("rollouts", fmt::format("archived up to step {} of {}", end, trained()),
                      "replay covers only those; --archive_steps was 0 for a time, or files are missing"));
    add(ok("rollouts",
           fmt::format("{} segment(s), steps {} to {}, agree with the journal", segments->size(), begin, end)));
  }

  // Returns whether it can be resumed from.
  bool check_checkpoint(const CheckpointStore& store, uint64_t version) {
    const Path path = store.path_of(version);
    const std::string subject = "checkpoints/" + path.filename().string();
    const auto info = store.verify(path);
    if (!info) {
      add(bad(subject, info.error().message,
              "remove this folder; the run goes on from an earlier one or from its start", info.error().code));
      return false;
    }
    const auto trained_step = records_->steps.find(version - 1);
    if (version > 0 && trained_step == records_->steps.end()) {
      if (!live_) add(warn(subject, "is newer than anything in the journal", "it is passed over on the next start"));
      return live_;
    }
    const auto extra = info->extra.value("extra", nlohmann::json::object());
    const std::string weights = extra.value("weights_digest", std::string());
    if (version > 0 && !weights.empty() && weights != trained_step->second.weights.hex()) {
      add(bad(subject,
              fmt::format("holds weights {}, the journal has {} after step {}", weights.substr(0, 12),
                          trained_step->second.weights.short_hex(), version - 1),
              "it belongs to another run: remove it", ErrorCode::kCorruption));
      return false;
    }
    add(ok(subject,
           fmt::format("{:.1f} MB, every file matches its manifest and the journal", info->total_bytes / 1e6)));
    return true;
  }

  void check_checkpoints() {
    const CheckpointStore store(fs_, run_ / "checkpoints");
    const auto versions = store.steps();
    if (versions.empty())
      return add(trained() == 0 ? ok("checkpoints", "none yet")
                                : warn("checkpoints", "none: a restart repeats all steps from the initial model",
                                       "lower --save_steps"));
    bool usable = false;
    for (const uint64_t version : versions) usable |= check_checkpoint(store, version);
    if (!usable)
      add(bad("checkpoints", "none can be resumed from",
              "move the folder away: the run then repeats its steps from the "
              "initial model",
              ErrorCode::kCorruption));
  }

  void check_leftovers() {
    std::vector<std::string> leftovers;
    for (const char* folder : {"", "checkpoints", "rollouts"}) {
      const auto entries = fs_.list_dir(run_ / folder);
      if (!entries) continue;
      for (const DirEntry& entry : *entries)
        if (entry.name.ends_with(".tmp") || entry.name.ends_with(".old"))
          leftovers.push_back((Path(folder) / entry.name).string());
    }
    if (leftovers.empty() || live_) return;
    add(warn("leftovers", fmt::format("of interrupted writes: {}", fmt::join(leftovers, ", ")),
             "nothing: the next start or checkpoint removes them; or remove them by hand"));
  }

  void check_complete() {
    if (records_->complete)
      add(ok("end", fmt::format("complete: {} steps, run digest {}", records_->complete->steps,
                                records_->complete->run_digest.hex())));
    else if (live_)
      add(ok("end", "the run is going on"));
    else
      add(warn("end", fmt::format("stopped after {} steps, not complete", trained()),
               "the same `prosodia train` command goes on"));
  }

  FileSystem& fs_;
  const Path& run_;
  const RunCheckOptions& options_;
  Findings findings_;
  std::optional<RunRecords> records_;
  bool live_ = false;
};

}  // namespace

Findings check_run(FileSystem& fs, const Path& run_dir, const RunCheckOptions& options) {
  return RunCheck(fs, run_dir, options).run();
}

}  // namespace prosodia::doctor
