#include "orchestrator/coordinator/telemetry.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <tuple>

#include "data/base/json.h"
#include "data/base/loopback.h"

namespace prosodia {

using protocol::Role;

Telemetry::Telemetry(TelemetryOptions options, const std::atomic<bool>& stop)
    : options_(std::move(options)), stop_(stop), file_(board_, options_.run_dir / "status.json") {
  if (options_.metrics_port == 0) return;
  MetricsServerOptions server{options_.metrics_address, options_.metrics_port, options_.run_dir};
  auto served = serve_metrics(board_, server);
  if (!served) {
    spdlog::error("{}. The run goes on without its metrics port", served.error().message);
    return;
  }
  server_ = std::move(*served);
  spdlog::info("metrics: http://{}:{}/metrics; prosodia watch --address {}:{}", options_.metrics_address,
               server_->port(), options_.metrics_address, server_->port());
  if (!is_loopback_host(options_.metrics_address))
    spdlog::warn("the metrics port {}:{} is open to the network: whoever reaches it reads prompts and responses",
                 options_.metrics_address, server_->port());
}

void Telemetry::on_record(const core::Record& record, int64_t now_ms) {
  if (const auto* sampled = std::get_if<core::GroupSampled>(&record)) {
    double tokens = 0;
    for (const auto& completion : sampled->result.completions)
      tokens += static_cast<double>(completion.token_ids.size());
    tokens_sampled_ += tokens;
    rates_.add(sampled->worker, tokens, now_ms);
  } else if (const auto* scored = std::get_if<core::GroupScored>(&record)) {
    rates_.add(scored->worker, static_cast<double>(scored->result.responses.size()), now_ms);
  }
}

void Telemetry::on_journal_sync(double seconds) {
  ++syncs_;
  sync_seconds_ += seconds;
}

void Telemetry::on_report(const StepReport& report) {
  board_.add_step(report.step, dump_line(metrics_line(report)));
  newest_.step = report.step;
  newest_.total_steps = report.total_steps;
  newest_.wall_time = report.wall_time;
  newest_.metrics = report.metrics;
  newest_.phase_seconds = report.phase_seconds;
  const auto unscored = report.metrics.find("reward/unscored");
  if (!report.samples.empty() && unscored != report.metrics.end()) {
    unscored_ += unscored->second;
    scored_ += static_cast<double>(report.samples.size()) - unscored->second;
  }
  const size_t shown = std::min(report.samples.size(), kMaxResponsesShown);
  for (size_t i = 0; i < report.samples.size(); ++i) {
    const SampledResponse& sample = report.samples[i];
    if (!sample.reasoning_status.empty() && sample.reasoning_status != "value")
      ++scores_missing_[sample.reasoning_status];
    if (i >= shown) continue;
    responses_.push_back(cut_for_show({report.step, sample}));
    if (responses_.size() > kMaxResponsesShown) responses_.pop_front();
  }
}

void Telemetry::on_tick(const core::RunCore& core, int64_t now_ms, double wall_time) {
  if (start_time_ == 0) start_time_ = wall_time;
  if (now_ms < next_ms_) return;
  next_ms_ = now_ms + options_.period_ms;
  board_.put(status_of(core, now_ms, wall_time));
}

void Telemetry::on_end(const Status& outcome, double wall_time) {
  const auto newest = board_.newest();
  if (newest == nullptr) return;  // it ended before the first tick: nothing to correct
  LiveStatus last = *newest;
  last.wall_time = wall_time;
  last.phase = outcome                                           ? RunPhase::kComplete
               : outcome.error().code == ErrorCode::kInterrupted ? RunPhase::kStopped
                                                                 : RunPhase::kFailed;
  last.message = outcome ? "" : outcome.error().message;
  last.newest = newest_;
  last.responses.assign(responses_.begin(), responses_.end());
  last.trained_steps = std::max(last.trained_steps, newest_.step);
  board_.put(std::move(last));
}

LiveStatus Telemetry::status_of(const core::RunCore& core, int64_t now_ms, double wall_time) {
  LiveStatus status;
  status.run_name = std::filesystem::absolute(options_.run_dir / "").parent_path().filename();
  status.run_id = fmt::format("{:016x}", core.run_id().value);
  status.wall_time = wall_time;
  status.start_time = start_time_;
  status.phase = stop_ ? RunPhase::kStopping : RunPhase::kRunning;
  status.life = core.life();
  status.trained_steps = core.trained_steps();
  status.total_steps = core.plan().options().total_steps;
  status.last_checkpoint = core.last_checkpoint().value;
  status.lag = core.plan().options().lag;
  if (const auto gate = newest_.metrics.find(metric::kGate); gate != newest_.metrics.end()) status.gate = gate->second;
  status.learner = core::name_of<core::LearnerLifecycle>(core.learner_state());
  status.active_leases = core.active_leases();
  const auto counts = core.group_counts();
  for (size_t state = 0; state < counts.size(); ++state)
    if (counts[state] > 0) status.groups[std::string(core::GroupLifecycle::kStates[state])] = counts[state];
  add_workers(status, core, now_ms);
  add_counters(status, core.counters());
  status.newest = newest_;
  status.responses.assign(responses_.begin(), responses_.end());
  return status;
}

// With thousands of workers only those in trouble and the first of the others become views: this runs every second on
// the coordinator's thread.
void Telemetry::add_workers(LiveStatus& status, const core::RunCore& core, int64_t now_ms) {
  using core::WorkerState;
  constexpr size_t kStates = core::WorkerLifecycle::kStates.size();
  std::map<Role, std::array<uint64_t, kStates>> counts;
  std::vector<const core::Worker*> troubled, healthy;
  for (const auto& [peer, worker] : core.workers().all()) {
    ++counts[worker.role][static_cast<size_t>(worker.state)];
    if (worker.state == WorkerState::kFenced) continue;  // a newer process has its name
    auto& list = worker.state == WorkerState::kLive ? healthy : troubled;
    if (list.size() < kMaxWorkersShown) list.push_back(&worker);
  }
  for (const auto& [role, by_state] : counts)
    for (size_t state = 0; state < kStates; ++state)
      if (by_state[state] > 0)
        status.by_state[std::string(name(role))][std::string(core::WorkerLifecycle::kStates[state])] = by_state[state];
  troubled.insert(troubled.end(), healthy.begin(), healthy.end());
  troubled.resize(std::min(troubled.size(), kMaxWorkersShown));
  for (const core::Worker* worker : troubled) status.workers.push_back(view_of(*worker, status.learner, now_ms));
  std::sort(status.workers.begin(), status.workers.end(), [](const WorkerView& a, const WorkerView& b) {
    return std::tuple(a.role, a.name.size(), a.name) <
           std::tuple(b.role, b.name.size(), b.name);  // reward-9, reward-10
  });
}

WorkerView Telemetry::view_of(const core::Worker& worker, const std::string& learner_state, int64_t now_ms) {
  WorkerView view{.name = worker.name,
                  .role = std::string(name(worker.role)),
                  .state = std::string(core::name_of<core::WorkerLifecycle>(worker.state)),
                  .leases = worker.leases.size()};
  view.rate = rates_.rate(worker.name, now_ms);
  if (worker.role == Role::kLearner) {
    if (worker.state == core::WorkerState::kLive) view.state = learner_state;
    const auto tokens = newest_.metrics.find("learner/rank0_packed_tokens");
    const auto seconds = newest_.metrics.find("learner/update_seconds");
    if (tokens != newest_.metrics.end() && seconds != newest_.metrics.end() && seconds->second > 0)
      view.rate = tokens->second / seconds->second;
  }
  view.heard_seconds = static_cast<double>(now_ms - worker.last_heard_ms) / 1000;
  view.progress_seconds = static_cast<double>(now_ms - worker.last_progress_ms) / 1000;
  return view;
}

void Telemetry::add_counters(LiveStatus& status, const core::Counters& counters) const {
  const auto add = [&](const char* family, double value, std::string_view label = "") {
    status.counters.push_back({family, std::string(label), value});
  };
  const auto add_count = [&](const char* family, uint64_t value, std::string_view label = "") {
    add(family, static_cast<double>(value), label);
  };
  const Role roles[] = {Role::kRollout, Role::kReward};  // in LeaseKind's order
  for (size_t kind = 0; kind < 2; ++kind) {
    add_count("leases_expired", counters.leases_expired[kind], name(roles[kind]));
    add_count("leases_lost", counters.leases_lost[kind], name(roles[kind]));
    add_count("leases_revoked", counters.leases_revoked[kind], name(roles[kind]));
  }
  add_count("results_accepted", counters.results_accepted);
  for (int reason = 1; reason < protocol::kNumRefusalReasons; ++reason)
    add_count("results_rejected", counters.results_rejected[reason],
              name(static_cast<protocol::RefusalReason>(reason)));
  add_count("tasks_failed", counters.tasks_failed);
  add_count("weights_unreachable", counters.weights_unreachable);
  add_count("workers_lost", counters.workers_lost);
  add_count("workers_wedged", counters.workers_wedged);
  add_count("workers_missing", counters.workers_missing);
  add_count("learners_stuck", counters.learners_stuck);
  add_count("steps_replayed", counters.steps_replayed);
  add_count("replay_mismatches", counters.replay_mismatches);
  add_count("bad_frames", counters.bad_frames);
  add_count("foreign_role_frames", counters.foreign_hellos + counters.foreign_frames);
  add("journal_fsyncs", syncs_);
  add("journal_fsync_seconds", sync_seconds_);
  add("responses", scored_, "scored");
  add("responses", unscored_, "unscored");
  add("tokens_sampled", tokens_sampled_);
  for (const char* reason : {"timeout", "unparsable", "error"}) {
    const auto found = scores_missing_.find(reason);
    add("reasoning_scores_missing", found == scores_missing_.end() ? 0 : found->second, reason);
  }
}

}  // namespace prosodia
