// prosodia doctor: of this machine, of a run folder, or (--plan) of a model's memory.
#include <ATen/Context.h>
#include <fmt/core.h>
#include <torch/headeronly/version.h>

#include <filesystem>

#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/commands/doctor_plan.h"
#include "orchestrator/cli/commands/mpirun.h"
#include "orchestrator/cli/commands/run_config.h"
#include "orchestrator/doctor/machine_check.h"
#include "orchestrator/doctor/run_check.h"
#include "orchestrator/launch/mpi_world.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;
using doctor::Findings;
using doctor::Level;

int finish(const Findings& findings, const char* subject) {
  const auto count = [&](Level level) {
    return std::count_if(findings.begin(), findings.end(), [&](const auto& finding) { return finding.level == level; });
  };
  const auto bad = count(Level::kBad), warnings = count(Level::kWarn);
  fmt::print("{}{}: {}{}\n", doctor::to_text(findings), subject,
             bad > 0 ? fmt::format("{} thing(s) wrong", bad) : std::string("usable"),
             warnings > 0 ? fmt::format(", {} warning(s)", warnings) : "");
  return doctor::exit_code_of(findings);
}

Result<Options> recorded_options(const fs::path& run) {
  const std::vector<std::string> arguments = {"--config", (run / "config.ini").string()};
  return parse_options(kTrain, arguments);
}

// The input a resumed run would read, against the digests that were recorded.
Findings check_inputs(const Options& before) {
  if (before.text("model_digest").empty()) return {};
  Findings findings;
  Options now = before;
  if (const Status read = record_input_digests(now); !read)
    return {doctor::warn("input", read.error().message, "a finished run does not need it; to go on, put it back")};
  const auto compare = [&](const char* digest, const char* what) {
    const std::string path = before.text(what);
    if (before.text(digest) == now.text(digest))
      findings.push_back(doctor::ok(what, fmt::format("{} is what the run began with", path)));
    else
      findings.push_back(doctor::warn(what, fmt::format("{} has changed since the run began", path),
                                      "the run is complete without it; to go on, put the original back"));
  };
  compare("dataset_digest", "dataset");
  compare("model_digest", "model");
  if (!before.text("reward_model").empty()) compare("reward_model_digest", "reward_model");
  return findings;
}

Result<int> check_folder(const std::string& run) {
  if (!fs::is_directory(run))
    return fail(ErrorCode::kInvalidInput, "{} is no folder; give the --output_dir of a `prosodia train`", run);
  doctor::RunCheckOptions options;
  const auto recorded = recorded_options(run);
  if (recorded) {
    options.drops_old_segments = recorded->integer("archive_keep_steps") > 0;
    if (const auto digest = run_digest_of_config(*recorded)) options.config_digest = *digest;
  }
  Findings findings = doctor::check_run(posix_file_system(), run, options);
  if (recorded) std::ranges::move(check_inputs(*recorded), std::back_inserter(findings));
  return finish(findings, run.c_str());
}

// One of the ranks that check_machine starts: they must find each other.
int answer_probe() {
  const launch::MpiWorld world;
  return world.broadcast_text("hello") == "hello" ? 0 : 1;
}

Result<int> check_this_machine(const CommandContext& context) {
  const MpirunLine probe = mpirun_line({.ranks = 2, .program = context.program, .arguments = {"doctor"}});
  for (const std::string& setting : probe.environment) putenv(strdup(setting.c_str()));
  doctor::MachineCheckOptions options;
  options.work_dir = fs::current_path();
  options.mpi_probe = probe.argv;
  options.cuda_seen = at::hasCUDA();
  options.torch = {{"LibTorch", TORCH_VERSION}};
  return finish(doctor::check_machine(options), "this machine");
}

}  // namespace

Result<int> run_doctor(const Options& options, const CommandContext& context) {
  if (!options.text("run").empty()) return check_folder(options.text("run"));
  if (options.flag("plan")) return print_memory_plan(options);
  if (launch::under_mpi_launcher()) return answer_probe();
  return check_this_machine(context);
}

}  // namespace prosodia::cli
