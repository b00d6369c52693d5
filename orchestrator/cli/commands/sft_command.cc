// prosodia sft: supervised fine-tuning, on one process or on --nproc_per_node ranks under mpirun.
#include "orchestrator/cli/commands/sft_command.h"

#include <fmt/core.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "data/base/peak_memory.h"
#include "orchestrator/cli/commands/model_options.h"
#include "orchestrator/cli/commands/mpirun.h"
#include "orchestrator/launch/mpi_world.h"
#include "workers/learner/collective.h"
#include "workers/learner/learner.h"

namespace prosodia::cli {
namespace {

void print_progress(const char* command, const SftLog& log) {
  const double rate = log.step_seconds > 0 ? static_cast<double>(log.num_input_tokens) / log.step_seconds : 0;
  const double eta = log.step_seconds * static_cast<double>(log.max_steps - log.step);
  fmt::print("{} {:>5}/{} loss {:.4f} grad_norm {:.3f} lr {:.2e} epoch {:.2f} {:.0f} tok/s ETA {:.0f}s\n", command,
             log.step, log.max_steps, log.loss, log.grad_norm, log.learning_rate, log.epoch, rate, eta);
  std::fflush(stdout);
}

Result<SftOptions> sft_options(const Options& options, const CommandContext& context, int ranks) {
  SftOptions sft;
  PROSODIA_ASSIGN(sft.model_dir, options.required("model"));
  PROSODIA_ASSIGN(sft.output_dir, options.required("output_dir"));
  PROSODIA_ASSIGN(sft.datasets, weighted_datasets(options));
  const int64_t batch = options.integer("per_device_train_batch_size");
  if (batch % ranks != 0) {
    return fail(ErrorCode::kUsage, "--per_device_train_batch_size {} does not divide over {} ranks", batch, ranks);
  }
  sft.per_device_train_batch_size = batch / ranks;
  PROSODIA_ASSIGN(const LrScheduleOptions schedule, schedule_options(options));
  sft.max_steps = schedule.max_steps;
  sft.learning_rate = schedule.learning_rate;
  sft.lr_scheduler_type = schedule.lr_scheduler_type;
  sft.warmup_ratio = schedule.warmup_ratio;
  sft.adamw = adamw_options(options);
  PROSODIA_ASSIGN(sft.freeze, freeze_spec(options));
  sft.seed = static_cast<uint64_t>(options.integer("seed"));
  sft.max_tokens_per_micro_batch = options.integer("token_budget");
  sft.save_steps = options.integer("save_steps");
  sft.save_total_limit = static_cast<int>(options.integer("save_total_limit"));
  sft.logging_steps = options.integer("logging_steps");
  PROSODIA_ASSIGN(sft.model, training_model_options(options));
  sft.stop_requested = [&context] { return context.stop.load(); };
  return sft;
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
  PROSODIA_ASSIGN(const SftOptions check, sft_options(options, context, ranks));
  if (options.flag("dry_run")) {
    fmt::print("{}", options.to_ini(command.bit));
    return 0;
  }
  if (ranks > 1 && !launched) {
    std::vector<std::string> arguments = {command.name};
    arguments.insert(arguments.end(), context.arguments.begin(), context.arguments.end());
    return exec_mpirun(ranks, context.program, arguments);
  }
  configure_torch(options);
  PROSODIA_ASSIGN(const auto collective, make_collective());
  PROSODIA_ASSIGN(SftOptions sft, sft_options(options, context, collective->size()));
  sft.on_log = [&command](const SftLog& log) { print_progress(command.name, log); };
  const auto failed = [&](const Error& error) {  // the same on every rank: one of them says it
    if (collective->rank() == 0) fmt::print(stderr, "prosodia {}: {}\n", command.name, error.message);
    return finish_process(*collective, tl::unexpected(error));
  };
  if (command.prepare) {
    const Status prepared = command.prepare(sft, *collective);
    if (!prepared) return failed(prepared.error());
  }
  const auto report = train_sft(sft, *collective);
  if (!report) return failed(report.error());
  if (collective->rank() == 0) {
    fmt::print("{}: {} steps{} in {:.1f} s, loss {:.4f} -> {:.4f}, peak memory {:.3f} GB; wrote {}\n", command.name,
               report->steps, report->resumed_from > 0 ? fmt::format(" (resumed from {})", report->resumed_from) : "",
               report->seconds, report->first_loss, report->last_loss, static_cast<double>(peak_memory_bytes()) / 1e9,
               sft.output_dir.string());
  }
  if (!command.finish) return 0;
  const Status finished = command.finish(sft, *report, *collective);
  if (!finished) return failed(finished.error());
  return 0;
}

}  // namespace prosodia::cli
