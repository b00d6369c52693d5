// prosodia sft: supervised fine-tuning, in one process or on --nproc_per_node ranks under a supervised mpirun.
#include "orchestrator/cli/commands/sft_command.h"

#include <fmt/core.h>

#include "data/base/peak_memory.h"
#include "data/store/fs.h"
#include "data/store/lock_probe.h"
#include "orchestrator/cli/commands/dry_run.h"
#include "orchestrator/cli/commands/learner_group.h"
#include "orchestrator/cli/commands/model_options.h"
#include "orchestrator/cli/commands/sft_monitor.h"
#include "orchestrator/cli/commands/sft_options.h"
#include "orchestrator/launch/mpi_world.h"
#include "orchestrator/monitor/progress_bar.h"
#include "workers/learner/collective.h"
#include "workers/learner/learner.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;

// Said before anything is loaded or started; the learner then takes the lock for itself.
Status check_not_running(const fs::path& output_dir) {
  PROSODIA_ASSIGN(const auto holder, lock_holder(output_dir / "checkpoints" / "LOCK"));
  if (!holder) return {};
  return fail(ErrorCode::kUnavailable,
              "{} is in use: {} trains there. Next: wait until it has ended, or give another --output_dir",
              output_dir.string(), *holder);
}

void print_line(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

void print_end(const char* command, const SftReport& report, const fs::path& output_dir) {
  const std::string resumed = report.resumed_from > 0 ? fmt::format(" (resumed from {})", report.resumed_from) : "";
  const std::string loss = report.losses.empty()
                               ? std::string("nothing left to do")
                               : fmt::format("loss {:.4f} -> {:.4f}", report.first_loss, report.last_loss);
  const std::string best =
      report.best_metric ? fmt::format(", best evaluation {:.4f} at step {}", *report.best_metric, report.best_step)
                         : "";
  print_line(fmt::format("{}: {} steps{} in {:.1f} s, {}{}, peak memory {:.3f} GB; wrote {}", command, report.steps,
                         resumed, report.seconds, loss, best, static_cast<double>(peak_memory_bytes()) / 1e9,
                         output_dir.string()));
}

}  // namespace

Result<int> run_sft(const Options& options, const CommandContext& context) {
  return run_supervised(options, context, {});
}

Result<int> run_supervised(const Options& given, const CommandContext& context, const SupervisedCommand& command) {
  PROSODIA_TRY(given.required("model"));
  PROSODIA_ASSIGN(const Options options, adopt_adapter(given));
  const int ranks = static_cast<int>(options.integer("nproc_per_node"));
  const bool launched = launch::under_mpi_launcher();
  PROSODIA_ASSIGN(SftOptions sft, sft_options(options, context, command.bit));
  if (options.flag("dry_run")) {
    fmt::print("{}\n", options.to_ini(command.bit));
    PROSODIA_TRY(print_supervised_plan(sft, ranks));
    fmt::print("dry run: nothing was started or written\n");
    return 0;
  }
  if (!launched) {
    PROSODIA_TRY(check_not_running(sft.output_dir));
    PROSODIA_TRY(posix_file_system().create_dirs(sft.output_dir));
    if (ranks > 1) return supervise_learner_group(options, context, command.name, sft.output_dir);
  }
  configure_torch(options);
  PROSODIA_ASSIGN(const auto collective, make_collective(learner_mpi_options(options)));
  const auto failed = [&](const Error& error) {  // the same on every rank: one of them says it
    if (collective->rank() == 0) fmt::print(stderr, "prosodia {}: {}\n", command.name, error.message);
    return finish_process(*collective, tl::unexpected(error));
  };
  const auto monitor = make_sft_monitor(sft.output_dir, options.to_ini(command.bit));
  const GroupHeartbeat heartbeat;
  sft.sink = monitor.get();
  ProgressBar bar(command.name);  // between the lines of --logging_steps, for who sits at a terminal
  const auto say = [&bar](const std::string& line) {
    bar.hide();
    print_line(line);
  };
  sft.on_log = [&](const SftLog& log) { say(sft_progress_line(log, command.name)); };
  sft.on_note = [&](const std::string& line) { say(fmt::format("{}: {}", command.name, line)); };
  if (bar.on_terminal()) {
    sft.on_step = [&bar](int64_t step, int64_t total) {
      bar.show(static_cast<size_t>(step), static_cast<size_t>(total));
    };
  }
  sft.on_alive = [&heartbeat] { heartbeat.beat(); };
  if (command.prepare) {
    const Status prepared = command.prepare(sft, *collective);
    if (!prepared) return failed(prepared.error());
  }
  const auto report = train_sft(sft, *collective);
  if (!report) return failed(report.error());
  if (collective->rank() == 0) print_end(command.name, *report, sft.output_dir);
  if (!command.finish) return 0;
  const Status finished = command.finish(sft, *report, *collective);
  if (!finished) return failed(finished.error());
  return 0;
}

}  // namespace prosodia::cli
