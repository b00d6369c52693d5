#include "orchestrator/cli/commands/roles.h"

#include <fmt/core.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <thread>

#include "data/base/clock.h"
#include "data/base/number.h"
#include "data/corpus/audio_store.h"
#include "data/store/fs.h"
#include "data/trace/trace_writer.h"
#include "orchestrator/cli/commands/coordinator_options.h"
#include "orchestrator/cli/commands/learner_group.h"
#include "orchestrator/cli/commands/model_options.h"
#include "orchestrator/cli/commands/role_keys.h"
#include "orchestrator/cli/commands/run_config.h"
#include "orchestrator/cli/commands/run_report_input.h"
#include "orchestrator/cli/commands/scorer_options.h"
#include "orchestrator/coordinator/coordinator.h"
#include "orchestrator/coordinator/crash_plan.h"
#include "orchestrator/coordinator/telemetry.h"
#include "orchestrator/launch/layout.h"
#include "orchestrator/launch/signals.h"
#include "orchestrator/launch/supervisor_line.h"
#include "orchestrator/monitor/jsonl_file.h"
#include "orchestrator/monitor/monitor_sinks.h"
#include "orchestrator/protocol/transport.h"
#include "orchestrator/protocol/worker_client.h"
#include "orchestrator/report/report.h"
#include "workers/learner/learner.h"
#include "workers/reward/worker.h"
#include "workers/rollout/worker.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr unsigned kSrunStopSeconds = 5;  // of a learner rank under srun: see end_after_stop_signal

// Blocks until the coordinator has written its endpoint.
Result<std::string> coordinator_endpoint(const Options& options, const std::atomic<bool>& stop) {
  if (!options.text("connect").empty()) return options.text("connect");
  const fs::path file = fs::path(options.text("output_dir")) / "coordinator.endpoint";
  for (int tries = 0; tries < 600 && !stop; ++tries) {
    if (fs::exists(file)) {
      PROSODIA_ASSIGN(const auto bytes, posix_file_system().read_file(file));
      std::string endpoint(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      while (!endpoint.empty() && std::isspace(static_cast<unsigned char>(endpoint.back()))) endpoint.pop_back();
      return endpoint;
    }
    std::this_thread::sleep_for(100ms);
  }
  return fail(ErrorCode::kUnavailable,
              "{} did not appear within 60 s: no coordinator. Next: see its log, or give --connect", file.string());
}

// Whom a worker calls, and as whom.
struct Line {
  std::string endpoint, name;
  std::string endpoint_file = {};  // to follow a coordinator that comes back on another port
};

// Of a role that runs as a process of its own.
Line line_of(const Options& options, std::string endpoint, std::string_view role) {
  Line line{std::move(endpoint), options.text("name")};
  if (line.name.empty()) line.name = fmt::format("{}-{}", role, getpid());
  if (options.text("connect").empty()) {
    line.endpoint_file = (fs::path(options.text("output_dir")) / "coordinator.endpoint").string();
  }
  return line;
}

// Null when it is switched off or cannot be written: that costs the timeline, not the run.
std::unique_ptr<TraceWriter> open_trace(const Options& options, std::string_view process) {
  if (!options.flag("trace")) return nullptr;
  auto writer = TraceWriter::open(posix_file_system(), options.text("output_dir"), process);
  if (writer) return std::move(*writer);
  spdlog::warn("no phases are traced: {}", writer.error().message);
  return nullptr;
}

Result<protocol::WorkerClientOptions> client_options(const Options& options, protocol::Role role, const Line& line) {
  protocol::WorkerClientOptions client;
  client.endpoint = line.endpoint;
  client.role = role;
  client.name = line.name;
  PROSODIA_ASSIGN(client.config_digest, run_digest_of_config(options));
  client.endpoint_file = line.endpoint_file;
  client.heartbeat = std::chrono::milliseconds(options.integer("heartbeat_ms"));
  PROSODIA_ASSIGN(client.credentials, role_credentials(options, protocol::principal_of(role)));
  return client;
}

Result<MonitorOptions> monitor_options(const Options& options, const RunStatus& status) {
  MonitorOptions monitor;
  monitor.run_dir = options.text("output_dir");
  monitor.first_step = status.first_report_step;
  monitor.start_time = static_cast<double>(std::time(nullptr));
  monitor.progress = stdout;
  monitor.metric_names = options.text("metric_names") == "verl" ? MetricNames::kVerl : MetricNames::kTrl;
  monitor.audio_period_steps = static_cast<uint64_t>(options.integer("log_audio_steps"));
  monitor.load_clip = [store = std::make_shared<AudioStore>(AudioStoreOptions{.max_cached_bytes = 0})](
                          const std::string& reference) -> Result<std::vector<float>> {
    PROSODIA_ASSIGN(const auto clip, store->load(reference));
    return clip->samples;
  };
  return monitor;
}

void observe(CoordinatorOptions& coordinator, Telemetry& telemetry) {
  coordinator.on_tick = [&telemetry](const core::RunCore& core) {
    telemetry.on_tick(core, protocol::steady_now_ms(), unix_seconds());
  };
  coordinator.on_record = [&telemetry](const core::Record& record) {
    telemetry.on_record(record, protocol::steady_now_ms());
  };
  coordinator.on_journal_sync = [&telemetry](double seconds) { telemetry.on_journal_sync(seconds); };
}

// In place of the page that was redrawn while the run went on; of a long run only by `report`, because the processes
// wait for this one to end. A page that cannot be made costs the picture, not the run.
void draw_final_page(const Options& options) {
  constexpr int64_t kMostResponses = 100'000;  // some 10 s
  const int64_t a_step = options.integer("prompts_per_step") * options.integer("num_generations");
  if (options.integer("max_steps") > kMostResponses / a_step) return;
  const fs::path run_dir = options.text("output_dir");
  const Status drawn = write_report(posix_file_system(), {report_input(run_dir)}, {}, run_dir / "report.html");
  if (!drawn) spdlog::warn("no final report: {}", drawn.error().message);
}

// Under one mpirun nobody can end and start a single process: MPI knows no replacement for a rank. So the job ends as
// soon as one of its processes is known to stand still, and a rerun goes on from the journal.
Status end_job(const std::string& worker, const std::string& reason) {
  return fail(
      ErrorCode::kUnavailable,
      "{} stands still ({}), and under one mpirun a process cannot be replaced, so the whole job ends. Next: look "
      "at the log, then run the same command again: it goes on from the journal and the newest checkpoint",
      worker, reason);
}

// `on_listening`: given under one mpirun only.
Status coordinate(const Options& options, std::atomic<bool>& stop,
                  std::function<void(const std::string&)> on_listening) {
  PROSODIA_ASSIGN(CoordinatorOptions coordinator, coordinator_options(options));
  const bool under_one_mpirun = on_listening != nullptr;
  coordinator.on_listening = std::move(on_listening);
  const launch::SupervisorReporter supervisor;
  coordinator.on_alive = [&supervisor] { supervisor.alive(); };
  coordinator.on_stuck = [&](const std::string& worker, const std::string& reason) -> Status {
    if (under_one_mpirun) return end_job(worker, reason);
    supervisor.replace(worker, reason);
    return {};
  };
  if (supervisor.connected() || under_one_mpirun) {  // they were started under these names
    PROSODIA_ASSIGN(const launch::Layout layout, launch::parse_layout(options.text("layout")));
    coordinator.run.expected_workers = launch::worker_process_names(layout);
  }
  PROSODIA_ASSIGN(const auto lock, lock_run(posix_file_system(), coordinator.run_dir));  // before the monitor writes
  PROSODIA_ASSIGN(const RunStatus before, inspect_run(posix_file_system(), coordinator.run_dir));
  Telemetry telemetry({.run_dir = coordinator.run_dir,
                       .metrics_address = options.text("metrics_address"),
                       .metrics_port = static_cast<int>(options.integer("metrics_port"))},
                      stop);
  observe(coordinator, telemetry);
  PROSODIA_ASSIGN(MonitorOptions monitor, monitor_options(options, before));
  monitor.on_report = [&telemetry](const StepReport& report) { telemetry.on_report(report); };
  PROSODIA_ASSIGN(const auto sink, open_monitor(posix_file_system(), monitor));
  const auto trace = open_trace(options, "coordinator");
  coordinator.trace = trace.get();
  PROSODIA_ASSIGN(const auto crashing, crash_plan_from_environment(posix_file_system()));  // nullptr but in tests
  coordinator.fs = crashing.get();
  const Status outcome = run_coordinator(coordinator, *sink, stop);
  telemetry.on_end(outcome, unix_seconds());
  if (outcome) draw_final_page(options);
  PROSODIA_TRY(outcome);
  PROSODIA_ASSIGN(const bool complete, report_if_complete(options));
  if (!complete) return fail(ErrorCode::kInternal, "the coordinator ended without completing the run");
  return {};
}

Status roll_out(const Options& options, std::atomic<bool>& stop, const Line& line) {
  configure_torch(options);
  RolloutWorkerOptions worker;
  worker.model_dir = options.text("model");
  worker.dataset_dir = fs::path(options.text("dataset")).parent_path();
  PROSODIA_ASSIGN(worker.model, training_model_options(options));
  PROSODIA_ASSIGN(worker.freeze, freeze_spec(options));
  worker.sampling = sampling_params(options, /*greedy=*/false);
  worker.engine.max_rows = static_cast<int>(options.integer("max_rows"));
  worker.stop_requested = [&stop] { return stop.load(); };
  const auto trace = open_trace(options, line.name);
  worker.trace = trace.get();
  PROSODIA_ASSIGN(protocol::WorkerClientOptions client_opts, client_options(options, protocol::Role::kRollout, line));
  worker.credentials = client_opts.credentials;
  // Enough groups in hand to keep every row busy.
  client_opts.slots =
      static_cast<uint32_t>(std::max<int64_t>(1, options.integer("max_rows") / options.integer("num_generations")));
  PROSODIA_ASSIGN(const auto client, protocol::WorkerClient::connect(std::move(client_opts)));
  return run_rollout_worker(worker, *client);
}

// The reward model is what it was when the run began: grades of two models must not meet in one group.
Status check_reward_model(const Options& options) {
  const std::string& recorded = options.text("reward_model_digest");
  if (recorded.empty()) return {};
  PROSODIA_ASSIGN(const Digest found, digest_of_reward_model(options));
  if (found.hex() == recorded) return {};
  return fail(
      ErrorCode::kInvalidInput,
      "the reward model {} has changed since the run was started (digest {}, config.ini has {}…). Next: put the "
      "original back, or start a new run in another --output_dir",
      options.text("reward_model"), found.short_hex(), recorded.substr(0, 12));
}

Status score_rewards(const Options& options, std::atomic<bool>& stop, const Line& line) {
  RewardWorkerOptions worker;
  PROSODIA_ASSIGN(worker.reward, reward_options(options));
  PROSODIA_TRY(check_reward_model(options));
  configure_torch(options);
  PROSODIA_ASSIGN(worker.scorer, make_reasoning_scorer(options));
  worker.reasoning_limit = std::chrono::milliseconds(static_cast<int64_t>(options.real("reward_timeout_s") * 1000));
  worker.end_when_stuck = !launch::under_mpi_launcher();
  worker.stop_requested = [&stop] { return stop.load(); };
  const auto trace = open_trace(options, line.name);
  worker.trace = trace.get();
  PROSODIA_ASSIGN(protocol::WorkerClientOptions client_opts, client_options(options, protocol::Role::kReward, line));
  client_opts.slots = 4;
  PROSODIA_ASSIGN(const auto client, protocol::WorkerClient::connect(std::move(client_opts)));
  return run_reward_worker(worker, *client);
}

Status learn(const Options& options, std::atomic<bool>& stop, Collective& collective,
             const std::function<Result<Line>()>& find_line) {
  configure_torch(options);
  PROSODIA_ASSIGN(LearnerOptions learner, learner_options(options, stop));
  const auto trace = open_trace(options, fmt::format("learner-{}", collective.rank()));
  learner.trace = trace.get();
  const ConnectLearner connect = [&](const LearnerHello& hello) -> Result<std::unique_ptr<LearnerLink>> {
    PROSODIA_ASSIGN(const Line line, find_line());
    PROSODIA_ASSIGN(protocol::WorkerClientOptions client_opts, client_options(options, protocol::Role::kLearner, line));
    return connect_to_coordinator(std::move(client_opts))(hello);
  };
  const auto report = run_learner(learner, collective, connect);
  if (!report) return tl::unexpected(report.error());
  return {};
}

Result<int> as_code(const Status& status) {
  if (!status) return tl::unexpected(status.error());
  return 0;
}

}  // namespace

Result<RewardOptions> reward_options(const Options& options) {
  RewardOptions reward;
  reward.weights.format = options.real("format_weight");
  reward.weights.accuracy = options.real("accuracy_weight");
  reward.weights.reasoning = options.real("reasoning_weight");
  const auto criteria = options.list("criteria_weights");
  if (criteria.size() != kNumCriteria) {
    return fail(ErrorCode::kUsage, "--criteria_weights wants {} numbers, got {}", kNumCriteria, criteria.size());
  }
  for (size_t i = 0; i < kNumCriteria; ++i) {
    const auto weight = parse_number(criteria[i]);
    if (!weight) return fail(ErrorCode::kUsage, "--criteria_weights: '{}' is not a number", criteria[i]);
    reward.weights.criteria[i] = *weight;
  }
  reward.trust = {.use_trust = options.flag("trust"),
                  .all_correct = options.real("trust_all_correct"),
                  .all_wrong = options.real("trust_all_wrong")};
  PROSODIA_TRY(validate(reward));
  return reward;
}

Result<LearnerOptions> learner_options(const Options& options, std::atomic<bool>& stop) {
  LearnerOptions learner;
  learner.model_dir = options.text("model");
  learner.checkpoint_dir = fs::path(options.text("output_dir")) / "checkpoints";
  PROSODIA_ASSIGN(learner.grpo, grpo_options(options));
  learner.grpo.dataset_dir = fs::path(options.text("dataset")).parent_path();
  learner.reference_dir = options.text("ref_model");
  learner.lag = options.integer("lag");
  learner.max_steps = options.integer("max_steps");
  learner.save_steps = options.integer("save_steps");
  learner.save_total_limit = static_cast<int>(options.integer("save_total_limit"));
  PROSODIA_ASSIGN(learner.model, training_model_options(options));
  learner.weights.bulk.endpoint = fmt::format("tcp://{}:*", options.text("bind"));
  PROSODIA_ASSIGN(learner.weights.bulk.credentials, role_credentials(options, protocol::Principal::kLearner));
  learner.weights.bulk.allow_plaintext_network = options.flag("allow_plaintext_network");
  learner.collective_limit = learner_mpi_options(options).deadline;
  learner.stop_requested = [&stop] { return stop.load(); };
  return learner;
}

Result<bool> report_if_complete(const Options& options) {
  const std::string& run_dir = options.text("output_dir");
  PROSODIA_ASSIGN(const RunStatus status, inspect_run(posix_file_system(), run_dir));
  if (!status.complete) return false;
  fmt::print("run complete: {} steps, run digest {}\n", status.trained_steps, status.run_digest.hex());
  fmt::print("checkpoint {}/checkpoints/step-{:06}; curves {}/report.html; tensorboard --logdir {}\n", run_dir,
             status.trained_steps, run_dir, run_dir);
  const auto reports = read_metrics(posix_file_system(), fs::path(run_dir) / "metrics.jsonl");
  if (reports && !reports->empty() && reports->back().metrics.contains(metric::kEffectiveTraining)) {
    fmt::print("effective training time {:.1f} % of the wall time since the first step, restarts included\n",
               100 * reports->back().metrics.at(metric::kEffectiveTraining));
  }
  std::fflush(stdout);
  return true;
}

Result<int> run_coordinator_role(const Options& options, const CommandContext& context) {
  return as_code(coordinate(options, context.stop, {}));
}

Result<int> run_rollout_role(const Options& options, const CommandContext& context) {
  PROSODIA_ASSIGN(const std::string endpoint, coordinator_endpoint(options, context.stop));
  return as_code(roll_out(options, context.stop, line_of(options, endpoint, "rollout")));
}

Result<int> run_reward_role(const Options& options, const CommandContext& context) {
  PROSODIA_ASSIGN(const std::string endpoint, coordinator_endpoint(options, context.stop));
  return as_code(score_rewards(options, context.stop, line_of(options, endpoint, "reward")));
}

Result<int> run_learner_role(const Options& options, const CommandContext& context) {
  if (launch::started_by_srun()) launch::end_after_stop_signal(kSrunStopSeconds);
  PROSODIA_ASSIGN(const auto collective, make_collective(learner_mpi_options(options)));
  const auto find_line = [&]() -> Result<Line> {
    PROSODIA_ASSIGN(std::string endpoint, coordinator_endpoint(options, context.stop));
    return line_of(options, std::move(endpoint), "learner");
  };
  const Status status = learn(options, context.stop, *collective, find_line);
  if (!status && collective->rank() == 0) fmt::print(stderr, "prosodia learner: {}\n", status.error().message);
  return finish_process(*collective, status);
}

Result<int> run_mpi_role(const Options& options, const CommandContext& context, launch::MpiWorld& world,
                         const launch::Placement& placement) {
  const bool is_learner = placement.role == launch::Role::kLearner;
  const MPI_Comm learners = world.split_learners(is_learner);
  Status status;
  if (placement.role == launch::Role::kCoordinator) {
    bool listening = false;
    status = coordinate(options, context.stop, [&](const std::string& endpoint) {
      world.broadcast_text(endpoint);
      listening = true;
    });
    if (!listening && !status) {  // the others wait for the endpoint and would wait forever
      fmt::print(stderr, "prosodia train: {}\n", status.error().message);
      world.abort(exit_code(status.error().code));
    }
  } else {
    const Line line{world.broadcast_text(""), launch::process_name(placement.role, placement.index)};
    if (is_learner) {
      PROSODIA_ASSIGN(const auto collective, make_mpi_collective(learner_mpi_options(options), MPI_Comm_c2f(learners)));
      status = learn(options, context.stop, *collective, [&]() -> Result<Line> { return line; });
    } else if (placement.role == launch::Role::kRollout) {
      status = roll_out(options, context.stop, line);
    } else {
      status = score_rewards(options, context.stop, line);
    }
  }
  if (status || status.error().code == ErrorCode::kInterrupted) return as_code(status);
  fmt::print(stderr, "prosodia train ({}): {}\n", launch::name(placement.role), status.error().message);
  world.abort(exit_code(status.error().code));
}

}  // namespace prosodia::cli
