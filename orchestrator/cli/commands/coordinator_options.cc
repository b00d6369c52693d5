#include "orchestrator/cli/commands/coordinator_options.h"

#include <algorithm>

#include "data/base/json.h"
#include "orchestrator/cli/commands/role_keys.h"
#include "orchestrator/cli/commands/run_config.h"

namespace prosodia::cli {
namespace {

core::GateOptions gate_options(const Options& options) {
  core::GateOptions gate;
  if (options.real("reasoning_weight") == 0) {
    gate.mode = core::GateMode::kNever;  // plain GRPO: nobody is asked for reasoning scores
  } else if (!options.flag("progressive")) {
    gate.mode = core::GateMode::kAlways;
  } else if (options.integer("gate_start_step") >= 0) {
    gate.mode = core::GateMode::kFixedStep;
    gate.start_step = static_cast<uint64_t>(options.integer("gate_start_step"));
  }
  gate.window = static_cast<uint32_t>(options.integer("gate_window"));
  gate.delta = options.real("gate_delta");
  gate.min_steps = static_cast<uint32_t>(options.integer("gate_min_steps"));
  gate.min_accuracy = options.real("gate_min_accuracy");
  gate.ramp_steps = static_cast<uint32_t>(options.integer("gate_ramp_steps"));
  return gate;
}

}  // namespace

core::PlanOptions plan_options(const Options& options) {
  return {.seed = static_cast<uint64_t>(options.integer("seed")),
          .total_steps = static_cast<uint64_t>(options.integer("max_steps")),
          .prompts_per_step = static_cast<uint32_t>(options.integer("prompts_per_step")),
          .num_generations = static_cast<uint32_t>(options.integer("num_generations")),
          .lag = static_cast<uint32_t>(options.integer("lag"))};
}

Result<CoordinatorOptions> coordinator_options(const Options& options) {
  CoordinatorOptions coordinator;
  coordinator.run_dir = options.text("output_dir");
  coordinator.run.plan = plan_options(options);
  coordinator.run.gate = gate_options(options);
  PROSODIA_ASSIGN(coordinator.run.config_digest, run_digest_of_config(options));
  coordinator.run.heartbeat_ms = static_cast<uint32_t>(options.integer("heartbeat_ms"));
  const auto lease_ms = static_cast<int64_t>(options.real("lease_timeout_s") * 1000);
  coordinator.run.rollout_lease_ms = lease_ms;
  coordinator.run.reward_lease_ms = lease_ms;
  coordinator.run.learner_timeout_ms = static_cast<int64_t>(options.real("learner_timeout_s") * 1000);
  coordinator.run.learner_return_ms = 2 * coordinator.run.learner_timeout_ms;
  coordinator.run.max_rollout_tries = static_cast<int>(options.integer("max_attempts"));
  coordinator.run.max_reward_tries = static_cast<int>(options.integer("max_attempts"));
  const auto port = options.integer("port");
  coordinator.endpoint = fmt::format("tcp://{}:{}", options.text("bind"), port == 0 ? "*" : std::to_string(port));
  coordinator.allow_plaintext_network = options.flag("allow_plaintext_network");
  PROSODIA_ASSIGN(coordinator.credentials, role_credentials(options, protocol::Principal::kCoordinator));
  coordinator.tick_ms = std::clamp<int64_t>(options.integer("heartbeat_ms") / 4, 5, coordinator.tick_ms);
  coordinator.archive_steps = static_cast<uint64_t>(options.integer("archive_steps"));
  PROSODIA_ASSIGN(const HashedDataset dataset, read_hashed_dataset(options.text("dataset")));
  const std::string& recorded = options.text("dataset_digest");
  if (!recorded.empty() && dataset.digest.hex() != recorded)
    return fail(ErrorCode::kInvalidInput,
                "{} has changed since the run was started (digest {}, config.ini has {}…). Next: put the original "
                "back, or start a new run in another --output_dir",
                options.text("dataset"), dataset.digest.short_hex(), recorded.substr(0, 12));
  coordinator.archive_keep_steps = static_cast<uint64_t>(options.integer("archive_keep_steps"));
  for (const Sample& sample : dataset.samples) coordinator.rows.push_back(dump_line(travelling_row(sample)));
  return coordinator;
}

}  // namespace prosodia::cli
