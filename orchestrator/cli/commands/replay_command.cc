// prosodia replay: the learner's updates over archived rollouts, without workers, compared bit for bit with the run.
#include <fmt/core.h>
#include <spdlog/spdlog.h>

#include <chrono>

#include "data/base/json.h"
#include "data/base/peak_memory.h"
#include "data/store/atomic_file.h"
#include "orchestrator/cli/commands/archived_rollouts.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/commands/coordinator_options.h"
#include "orchestrator/cli/commands/model_options.h"
#include "orchestrator/cli/commands/mpirun.h"
#include "orchestrator/cli/commands/replay_comparison.h"
#include "orchestrator/cli/commands/roles.h"
#include "orchestrator/cli/commands/run_config.h"
#include "orchestrator/launch/layout.h"
#include "orchestrator/launch/mpi_world.h"
#include "workers/learner/collective.h"
#include "workers/learner/replay.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// What is replayed, with which options, and why its bits may differ from the run's.
struct ReplaySetup {
  Options run;  // train's options: the run's own, overridden by those given
  fs::path run_dir, output_dir;
  int ranks = 1;
  std::vector<std::string> deviations;  // "--learning_rate 1e-4 (the run has 1e-3)": equality is not expected
};

// The run's options, or the defaults where the archive lies alone; what was given explicitly wins.
Status resolve_options(const Options& given, ReplaySetup& setup) {
  const fs::path config = setup.run_dir / "config.ini";
  const bool known = !setup.run_dir.empty() && fs::exists(config);
  std::vector<std::string> arguments;
  if (known) arguments = {"--config", config.string()};
  PROSODIA_ASSIGN(setup.run, parse_options(kTrain, arguments));
  const auto layout = launch::parse_layout(setup.run.text("layout"));
  const int run_ranks = known && layout ? layout->learners : 1;
  setup.ranks = given.given("nproc_per_node") ? static_cast<int>(given.integer("nproc_per_node")) : run_ranks;
  if (known && setup.ranks != run_ranks)
    setup.deviations.push_back(fmt::format("--nproc_per_node {} (the run has {} learner ranks: the order of its sums)",
                                           setup.ranks, run_ranks));
  // The reference was the initial policy: it stays so when that has moved.
  if (given.given("model") && setup.run.text("ref_model") == setup.run.text("model")) setup.run.set("ref_model", "");
  for (const OptionSpec& spec : option_table()) {
    if (!(spec.commands & kReplay) || !(spec.commands & kTrain) || !given.given(spec.name)) continue;
    if (known && spec.affects_result && setup.run.text(spec.name) != given.text(spec.name))
      setup.deviations.push_back(
          fmt::format("--{} {} (the run has {})", spec.name, given.text(spec.name), setup.run.text(spec.name)));
    setup.run.set(spec.name, given.text(spec.name));
  }
  if (setup.run.text("model").empty()) PROSODIA_TRY(given.required("model"));
  return {};
}

// The model folder must be the run's, byte for byte.
Status check_model(ReplaySetup& setup) {
  const std::string recorded = setup.run.text("model_digest");
  if (recorded.empty()) return {};
  Options now = setup.run;
  // The run's own model may have moved since: then the reference is the same folder under its old name.
  if (!fs::exists(now.text("ref_model"))) now.set("ref_model", "");
  PROSODIA_ASSIGN(const Digest model, digest_of_models(now));
  if (model.hex() != recorded)
    setup.deviations.push_back(fmt::format("--model {} (not what the run began with: model_digest {}, the run has {})",
                                           now.text("model"), model.short_hex(), recorded.substr(0, 12)));
  return {};
}

Result<ReplaySetup> make_setup(const Options& given, const ArchivedRollouts& archive) {
  ReplaySetup setup;
  setup.run_dir = archive.run_dir();
  PROSODIA_ASSIGN(const std::string output_dir, given.required("output_dir"));
  setup.output_dir = fs::weakly_canonical(fs::absolute(output_dir));
  if (fs::exists(setup.output_dir / "journal") || setup.output_dir == setup.run_dir)
    return fail(ErrorCode::kUsage, "--output_dir {} is a run's folder; replay writes into one of its own", output_dir);
  PROSODIA_TRY(resolve_options(given, setup));
  if (setup.run.text("ref_model").empty()) setup.run.set("ref_model", setup.run.text("model"));
  setup.run.set("output_dir", setup.output_dir.string());
  setup.run.set("keys", "");  // it talks to nobody
  return setup;
}

// replay.json: the outcome, and while replay is under way its state at its newest checkpoint.
class ReplayRecord {
 public:
  ReplayRecord(const ReplaySetup& setup, const ArchivedRollouts& archive) : path_(setup.output_dir / "replay.json") {
    const Digest options = setup.run.result_digest(kTrain);
    base_ = {{"archive", archive.run_dir().string()},
             {"options", options.hex()},
             {"ranks", setup.ranks},
             {"deviations", setup.deviations}};
  }

  // Takes up what an interrupted replay of the same run and options had found; kUsage for another one.
  Status resume(ReplayComparison& comparison) {
    if (!fs::exists(path_)) return {};
    PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(path_));
    const auto saved = parse_json_object(text, path_.string());
    if (!saved) return fail(ErrorCode::kCorruption, "{}: not JSON. Next: remove the folder", path_.string());
    for (const char* key : {"archive", "options", "ranks"})
      if (saved->value(key, json()) != base_.at(key))
        return fail(ErrorCode::kUsage,
                    "{} holds the replay of another run or with other options. Next: choose another --output_dir",
                    path_.parent_path().string());
    if (saved->contains("comparison")) comparison.restore(saved->at("comparison"));
    return {};
  }

  Status write(uint64_t version, bool complete, const ReplayComparison& comparison) const {
    json out = base_;
    out["version"] = version;
    out["complete"] = complete;
    out["comparison"] = comparison.to_json();
    return write_file_atomic(posix_file_system(), path_, out.dump(2) + "\n");
  }

 private:
  fs::path path_;
  json base_;
};

std::string tensor_list(const TensorDifference& tensors) {
  constexpr size_t kShown = 8;
  const size_t shown = std::min(kShown, tensors.names.size());
  return fmt::format("{}{}",
                     fmt::join(tensors.names.begin(), tensors.names.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     tensors.names.size() > shown ? fmt::format(" and {} more", tensors.names.size() - shown) : "");
}

void print_outcome(const ReplayComparison& comparison, const LearnerReport& report) {
  const std::string digest =
      comparison.run_digest() ? "run digest " + comparison.run_digest()->hex() : "weights " + report.weights.hex();
  fmt::print("replayed steps {} to {}: {}\n", report.first_step, report.next_step, digest);
  if (comparison.compared_steps() == 0 && comparison.equal()) {
    fmt::print("nothing to compare with: neither a journal nor results in the archive\n");
  } else if (comparison.equal()) {
    fmt::print("equal: batch, loss bits and weights of all {} steps{}\n", comparison.compared_steps(),
               comparison.equal_checkpoints() > 0
                   ? fmt::format("; {} checkpoint(s) of the run, tensor by tensor", comparison.equal_checkpoints())
                   : "");
  }
  if (const auto& difference = comparison.difference())
    fmt::print("differs: first at step {}: {}\n", difference->step, difference->what);
  if (const auto& tensors = comparison.tensors())
    fmt::print("differs: {} of {} tensors at the run's checkpoint of version {}; first {}\n", tensors->names.size(),
               tensors->total, tensors->version, tensor_list(*tensors));
}

// Rank 0's side: archive and comparison.
class Rank0 {
 public:
  Rank0(const ReplaySetup& setup, ArchivedRollouts& archive, ReplayComparison comparison)
      : setup_(setup), archive_(archive), comparison_(std::move(comparison)), record_(setup, archive) {}

  Status start() {
    PROSODIA_TRY(posix_file_system().create_dirs(setup_.output_dir));
    return record_.resume(comparison_);
  }

  ReplayHooks hooks() {
    ReplayHooks hooks;
    hooks.batch_of = [this](uint64_t step) { return batch_of(step); };
    hooks.on_version = [this](const ReplayPosition& position) { return on_version(position); };
    hooks.on_saved = [this](uint64_t version) { return record_.write(version, false, comparison_); };
    return hooks;
  }

  Status finish(const LearnerReport& report) {
    PROSODIA_TRY(record_.write(report.next_step, true, comparison_));
    print_outcome(comparison_, report);
    fmt::print("peak memory of rank 0: {:.3f} GB\n", static_cast<double>(peak_memory_bytes()) / 1e9);
    if (comparison_.equal()) return {};
    if (!setup_.deviations.empty()) {
      fmt::print("as was to be expected with {}\n", fmt::join(setup_.deviations, ", "));
      return {};
    }
    return fail(ErrorCode::kInvalidInput,
                "the run is not reproduced although options, model and number of ranks are its own. Next: compare "
                "`prosodia --version`, the machine's instruction set and LibTorch with the run's; {}/replay.json has "
                "the details",
                setup_.output_dir.string());
  }

 private:
  Result<std::optional<protocol::StepBatch>> batch_of(uint64_t step) {
    if (step < archive_.first_step())
      return fail(
          ErrorCode::kInvalidInput,
          "the archive begins at step {}, the weights are of version {}. Next: give all of the run's rollouts, or "
          "--resume_from_checkpoint with the checkpoint of version {}",
          archive_.first_step(), step, archive_.first_step());
    PROSODIA_ASSIGN(auto archived, archive_.read(step));
    if (!archived) return std::optional<protocol::StepBatch>();
    comparison_.expect(step, {archived->batch.batch_digest, archived->weights, {}, archived->loss});
    return std::optional(std::move(archived->batch));
  }

  Result<bool> on_version(const ReplayPosition& position) {
    const bool more = comparison_.see(position);
    if (position.outcome == nullptr) return more || !setup_.deviations.empty();
    fmt::print("replay {:>6}/{} loss {:.6f} weights {} {}\n", position.version, archive_.end_step(),
               position.outcome->loss, position.weights.short_hex(), comparison_.equal() ? "equal" : "differs");
    std::fflush(stdout);
    return more || !setup_.deviations.empty();
  }

  const ReplaySetup& setup_;
  ArchivedRollouts& archive_;
  ReplayComparison comparison_;
  ReplayRecord record_;
};

Status run_ranks(const ReplaySetup& setup, const Options& given, const CommandContext& context,
                 ArchivedRollouts& archive, Collective& collective) {
  ReplayOptions options;
  PROSODIA_ASSIGN(options.learner, learner_options(setup.run, context.stop));
  options.start_from = given.text("resume_from_checkpoint");
  std::optional<Rank0> rank0;
  Status status;
  if (collective.rank() == 0) {
    auto records =
        setup.run_dir.empty() ? Result<RunRecords>(RunRecords{}) : read_run_records(posix_file_system(), setup.run_dir);
    if (records) {
      rank0.emplace(setup, archive, ReplayComparison(std::move(*records), setup.run_dir, plan_options(setup.run)));
      status = rank0->start();
    } else {
      status = tl::unexpected(records.error());
    }
  }
  PROSODIA_TRY(collective.agree(status));
  const auto report = replay_steps(options, collective, rank0 ? rank0->hooks() : ReplayHooks{}, setup.output_dir);
  if (!report) return tl::unexpected(report.error());
  return collective.agree(rank0 ? rank0->finish(*report) : Status{});
}

}  // namespace

Result<int> run_replay(const Options& given, const CommandContext& context) {
  PROSODIA_ASSIGN(const std::string rollouts, given.required("rollouts"));
  PROSODIA_ASSIGN(ArchivedRollouts archive, ArchivedRollouts::open(rollouts));
  PROSODIA_ASSIGN(ReplaySetup setup, make_setup(given, archive));
  if (setup.ranks > 1 && !launch::under_mpi_launcher()) {
    std::vector<std::string> arguments = {"replay"};
    arguments.insert(arguments.end(), context.arguments.begin(), context.arguments.end());
    constexpr int kStopSeconds = 60;  // to finish the step and save
    return exec_mpirun({.ranks = setup.ranks,
                        .program = context.program,
                        .arguments = std::move(arguments),
                        .stop_seconds = kStopSeconds});
  }
  configure_torch(setup.run);
  PROSODIA_ASSIGN(const auto collective, make_collective());
  if (collective->size() != setup.ranks)
    setup.deviations.push_back(
        fmt::format("{} ranks under mpirun instead of {}: the order of its sums", collective->size(), setup.ranks));
  // Only rank 0 speaks of deviations, so only it reads the model for them.
  PROSODIA_TRY(collective->agree(collective->rank() == 0 ? check_model(setup) : Status{}));
  if (collective->rank() == 0) {
    fmt::print("replay: steps {} to {} of {}, {} learner rank(s), into {}\n", archive.first_step(), archive.end_step(),
               rollouts, collective->size(), setup.output_dir.string());
    for (const std::string& deviation : setup.deviations)
      fmt::print(stderr, "prosodia replay: {}: equality with the run is not expected\n", deviation);
  }
  const Status status = run_ranks(setup, given, context, archive, *collective);
  if (!status && collective->rank() == 0) fmt::print(stderr, "prosodia replay: {}\n", status.error().message);
  return finish_process(*collective, status);
}

}  // namespace prosodia::cli
