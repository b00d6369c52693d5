// prosodia train: one machine under the local supervisor, or all roles inside one mpirun.
#include <fmt/core.h>

#include "data/base/digest.h"
#include "data/base/loopback.h"
#include "data/corpus/dataset.h"
#include "data/store/fs.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/commands/dry_run.h"
#include "orchestrator/cli/commands/model_options.h"
#include "orchestrator/cli/commands/mpirun.h"
#include "orchestrator/cli/commands/role_keys.h"
#include "orchestrator/cli/commands/roles.h"
#include "orchestrator/cli/commands/run_config.h"
#include "orchestrator/cli/commands/scorer_options.h"
#include "orchestrator/coordinator/coordinator.h"
#include "orchestrator/launch/layout.h"
#include "orchestrator/launch/mpi_world.h"
#include "orchestrator/launch/signals.h"
#include "orchestrator/launch/supervisor.h"
#include "workers/model/config.h"
#include "workers/model/model.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;
using launch::Layout;
using launch::ProcessSpec;
using launch::Role;

// Everything that can be wrong with the user's input is found before any process starts.
Result<HashedDataset> probe_inputs(const Options& options) {
  PROSODIA_TRY(grpo_options(options));
  PROSODIA_TRY(reward_options(options));
  PROSODIA_TRY(check_reasoning_scorer(options));
  PROSODIA_TRY(training_model_options(options));
  PROSODIA_ASSIGN(const fs::path base, base_model_dir(options.text("model")));
  PROSODIA_TRY(ModelConfig::load(base));
  PROSODIA_TRY(check_network_options(options));
  PROSODIA_ASSIGN(HashedDataset dataset, read_hashed_dataset(options.text("dataset")));
  for (const Sample& sample : dataset.samples) {
    if (sample.solution.empty()) {
      return fail(ErrorCode::kInvalidInput, "{}: no \"solution\"; train needs the right answer in every row",
                  sample.origin);
    }
  }
  PROSODIA_TRY(check_audio_files(dataset.samples));
  return dataset;
}

// A second start in the folder of a running run is told so at once; the coordinator then takes the lock for itself.
Status check_not_running(const Options& options) {
  const auto lock = lock_run(posix_file_system(), options.text("output_dir"));
  if (!lock) return tl::unexpected(lock.error());
  return {};
}

void print_plan(const Options& options, const Layout& layout) {
  const int64_t prompts = options.integer("prompts_per_step"), group = options.integer("num_generations");
  fmt::print(
      "plan: {} steps of {} prompts x {} responses = {} responses a step; coordinator, {} learner rank(s), {} rollout "
      "and "
      "{} reward worker(s); seed {}, lag {}; run folder {}\n",
      options.integer("max_steps"), prompts, group, prompts * group, layout.learners, layout.rollouts, layout.rewards,
      options.integer("seed"), options.integer("lag"), options.text("output_dir"));
  std::fflush(stdout);
}

ProcessSpec role_process(const Options& options, const CommandContext& context, Role role, int index) {
  const fs::path run = options.text("output_dir");
  const std::string who = launch::process_name(role, index);
  return {.name = who,
          .argv = {context.program, std::string(launch::name(role)), "--config", (run / "config.ini").string(),
                   "--name", who},
          .environment = {},
          .log = run / "logs" / (who + ".log")};
}

ProcessSpec learner_group(const Options& options, const CommandContext& context, const Layout& layout) {
  ProcessSpec spec = role_process(options, context, Role::kLearner, 0);
  spec.scratch = mpi_scratch(options.text("output_dir"));
  MpirunLine line = mpirun_line({.ranks = layout.learners,
                                 .program = context.program,
                                 .arguments = {spec.argv.begin() + 1, spec.argv.end()},
                                 .scratch = spec.scratch});
  spec.argv = std::move(line.argv);
  spec.environment = std::move(line.environment);
  return spec;
}

// Everything before the first process starts: bad input and a folder in use are refused, the folder is made.
Status prepare_run(Options& options) {
  PROSODIA_ASSIGN(const HashedDataset dataset, probe_inputs(options));
  PROSODIA_TRY(record_input_digests(options, dataset.digest));
  PROSODIA_TRY(check_not_running(options));
  return prepare_run_folder(options);
}

Result<int> supervise(const Options& options, const CommandContext& context, const Layout& layout) {
  ProcessSpec coordinator = role_process(options, context, Role::kCoordinator, 0);
  coordinator.inherit_stdout = true;  // its progress lines are what the user watches
  std::vector<ProcessSpec> others = {learner_group(options, context, layout)};
  for (int i = 0; i < layout.rollouts; ++i) others.push_back(role_process(options, context, Role::kRollout, i));
  for (int i = 0; i < layout.rewards; ++i) others.push_back(role_process(options, context, Role::kReward, i));
  launch::SupervisorOptions supervisor_options;
  supervisor_options.restart.max_restarts = static_cast<int>(options.integer("max_restarts"));
  supervisor_options.restart.max_delay_ms = static_cast<int64_t>(options.real("restart_delay_max_s") * 1000);
  supervisor_options.log = [](const std::string& line) { fmt::print(stderr, "supervisor: {}\n", line); };
  launch::Supervisor supervisor(std::move(supervisor_options), std::move(coordinator), std::move(others));
  return supervisor.run(context.stop, launch::take_over_second_signal());
}

// Ranks on other hosts cannot reach a loopback address; without this they would wait for the coordinator in vain.
Status check_reachable(const Options& options, int num_hosts) {
  if (num_hosts == 1 || !is_loopback_host(options.text("bind"))) return {};
  return fail(ErrorCode::kUsage,
              "the ranks lie on {} hosts, but --bind {} cannot be reached from another host. Next: --bind 0.0.0.0, or "
              "the name of a network interface such as ib0, with --keys (`prosodia keygen`) or, on a network where you "
              "trust everybody, --allow_plaintext_network",
              num_hosts, options.text("bind"));
}

// One mpirun for all: fail-stop. Rank 0's endpoint reaches the others over MPI, so nothing has to be configured.
Result<int> run_under_mpi(Options options, const CommandContext& context, const Layout& layout) {
  launch::MpiWorld world;
  const auto placement = launch::place(layout, world.rank(), world.size());
  if (!placement) {
    if (world.rank() != 0) return exit_code(placement.error().code);
    return tl::unexpected(placement.error());
  }
  const int num_hosts = world.num_hosts();
  std::string verdict;  // an exit code for every rank, or nothing: go on
  Status prepared = check_reachable(options, num_hosts);
  if (world.rank() == 0) {
    if (prepared) prepared = prepare_run(options);
    if (prepared) {
      const auto complete = report_if_complete(options);
      if (!complete)
        prepared = tl::unexpected(complete.error());
      else if (*complete)
        verdict = std::to_string(0);
    }
    if (!prepared) verdict = std::to_string(exit_code(prepared.error().code));
    if (verdict.empty()) print_plan(options, layout);
  }
  verdict = world.broadcast_text(verdict);
  if (!prepared && world.rank() == 0) return tl::unexpected(prepared.error());
  if (!verdict.empty()) return std::stoi(verdict);
  for (const char* digest : {"dataset_digest", "model_digest", "reward_model_digest"})
    options.set(digest, world.broadcast_text(options.text(digest)));
  return run_mpi_role(options, context, world, *placement);
}

}  // namespace

Result<int> run_train(const Options& given, const CommandContext& context) {
  PROSODIA_ASSIGN(Options options, resolve_run_options(given));
  PROSODIA_ASSIGN(const Layout layout, launch::parse_layout(options.text("layout")));
  if (options.flag("dry_run")) {
    PROSODIA_ASSIGN(const HashedDataset dataset, probe_inputs(options));
    PROSODIA_TRY(record_input_digests(options, dataset.digest));
    fmt::print("{}\n", options.to_ini(kTrain));
    print_plan(options, layout);
    PROSODIA_TRY(print_train_plan(options, layout, dataset.samples));
    fmt::print("dry run: nothing was started or written\n");
    return 0;
  }
  if (launch::under_mpi_launcher()) return run_under_mpi(options, context, layout);
  const bool only_prepare = options.flag("prepare");
  options.set("prepare", "false");  // not of the run: config.ini starts roles and supervisors alike
  PROSODIA_TRY(prepare_run(options));
  PROSODIA_ASSIGN(const bool complete, report_if_complete(options));
  if (complete) return 0;
  print_plan(options, layout);
  if (only_prepare) return 0;
  return supervise(options, context, layout);
}

}  // namespace prosodia::cli
