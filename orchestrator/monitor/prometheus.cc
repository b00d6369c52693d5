#include "orchestrator/monitor/prometheus.h"

#include <fmt/format.h>
#include <sys/statvfs.h>
#include <sys/times.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "orchestrator/monitor/metric_table.h"

namespace prosodia {
namespace {

constexpr CounterFamily kCounters[] = {
    {"leases_expired", "role", "Leases without progress in time, since the coordinator process started."},
    {"leases_lost", "role", "Tasks that never reached their worker."},
    {"leases_revoked", "role", "Leases of workers that died or left."},
    {"results_accepted", "", "Results of workers taken in."},
    {"results_rejected", "reason", "Results of workers refused."},
    {"tasks_failed", "", "Tasks that a worker reported as failed."},
    {"weights_unreachable", "", "Tasks that failed because the weights could not be fetched."},
    {"workers_lost", "", "Workers silent for three heartbeats."},
    {"workers_wedged", "", "Workers alive without progress that were told to exit."},
    {"workers_missing", "", "Expected workers that did not say Hello in time."},
    {"learners_stuck", "", "Learner groups replaced for want of progress."},
    {"steps_replayed", "", "Steps trained again after the learner restarted."},
    {"replay_mismatches", "", "Replayed steps that gave other bits."},
    {"bad_frames", "", "Frames that could not be decoded."},
    {"foreign_role_frames", "", "Hellos and frames of a role that the sender's key is not for."},
    {"journal_fsyncs", "", "fdatasync calls on the journal."},
    {"journal_fsync_seconds", "", "Seconds spent in fdatasync on the journal."},
    {"responses", "outcome", "Responses of finished steps, by whether they were scored."},
    {"reasoning_scores_missing", "reason", "Reasoning scores that did not come."},
    {"tokens_sampled", "", "Tokens sampled by rollout workers whose results were taken in."},
};

// Help texts of the families that metric_table.h names.
constexpr std::pair<std::string_view, std::string_view> kMetricFamilies[] = {
    {"reward_component_mean", "Mean of a reward component over the newest step."},
    {"criterion_mean", "Mean of one of the four reasoning criteria, 1 to 5."},
    {"completion_length_tokens", "Length of the newest step's responses."},
    {"logprob_difference_nats", "Distance between the sampler's and the learner's log-probabilities."},
    {"step_phase_seconds", "Wall time of the newest step by phase; phases overlap when lag > 0."},
};

std::string escape_label(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

class Text {
 public:
  void family(std::string_view name, std::string_view type, std::string_view help) {
    out_ += fmt::format("# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  void sample(std::string_view name, std::string_view labels, double value) {
    out_ += labels.empty() ? std::string(name) : fmt::format("{}{{{}}}", name, labels);
    out_ += std::isnan(value)   ? " NaN\n"
            : std::isinf(value) ? (value > 0 ? " +Inf\n" : " -Inf\n")
                                : fmt::format(" {}\n", value);
  }
  void gauge(std::string_view name, std::string_view help, double value) {
    family(name, "gauge", help);
    sample(name, "", value);
  }
  void gauge_if(std::string_view name, std::string_view help, const std::optional<double>& value) {
    if (value) gauge(name, help, *value);
  }
  void counter(std::string_view name, std::string_view help, double value) {
    family(name, "counter", help);
    sample(name, "", value);
  }
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

std::string label(std::string_view name, std::string_view value) {
  return fmt::format("{}=\"{}\"", name, escape_label(value));
}

void add_run(Text& text, const LiveStatus& status, const HostFacts& host) {
  text.family("prosodia_build_info", "gauge", "Version of the program; always 1.");
  text.sample("prosodia_build_info", label("version", host.version), 1);
  text.family("prosodia_run_info", "gauge", "The run that this coordinator drives; always 1.");
  text.sample("prosodia_run_info", label("run", status.run_name) + "," + label("run_id", status.run_id), 1);
  text.family("prosodia_run_phase", "gauge", "1 for the phase that the run is in.");
  for (const RunPhase phase : kRunPhases)
    text.sample("prosodia_run_phase", label("phase", name(phase)), status.phase == phase ? 1 : 0);
  text.gauge("prosodia_coordinator_start_time_seconds", "Unix time when the coordinator process started.",
             status.start_time);
  text.counter("prosodia_coordinator_lives_total", "Coordinator processes of this run so far.",
               static_cast<double>(status.life));
  text.gauge("prosodia_status_age_seconds", "Age of the values below; grows when the coordinator's loop stands still.",
             std::max(host.now - status.wall_time, 0.0));
  text.counter("prosodia_steps_total", "Optimizer steps trained since the run began.",
               static_cast<double>(status.trained_steps));
  text.gauge("prosodia_steps_planned", "Optimizer steps of the whole run.", static_cast<double>(status.total_steps));
  text.gauge("prosodia_lag_steps", "Policy versions that a sample may be old: --lag.", static_cast<double>(status.lag));
  text.gauge("prosodia_last_checkpoint_step", "Optimizer step of the newest committed checkpoint.",
             static_cast<double>(status.last_checkpoint));
  if (status.newest.step > 0)
    text.gauge("prosodia_last_step_timestamp_seconds", "Unix time when the newest step ended.",
               status.newest.wall_time);
}

void add_workers(Text& text, const LiveStatus& status) {
  text.family("prosodia_workers", "gauge", "Worker processes that the coordinator knows, by role and state.");
  for (const auto& [role, states] : status.by_state)
    for (const auto& [state, count] : states)
      text.sample("prosodia_workers", label("role", role) + "," + label("state", state), static_cast<double>(count));
  text.family("prosodia_learner_state", "gauge", "1 for the state that the learner group is in.");
  for (const std::string_view state : {"absent", "loading", "idle", "training"})
    text.sample("prosodia_learner_state", label("state", state), status.learner == state ? 1 : 0);
  text.family("prosodia_groups", "gauge", "Groups of responses in memory, by state.");
  for (const auto& [state, count] : status.groups)
    text.sample("prosodia_groups", label("state", state), static_cast<double>(count));
  text.gauge("prosodia_leases_active", "Groups in the hands of workers.", static_cast<double>(status.active_leases));
}

// The newest step's metrics that have a family; rows of one family are neighbours in the table or are gathered here.
void add_metrics(Text& text, const LiveStatus& status) {
  const auto value_of = [&](std::string_view name) -> std::optional<double> {
    constexpr std::string_view kTiming = "timing_s/";
    const bool timing = name.starts_with(kTiming);
    const auto& values = timing ? status.newest.phase_seconds : status.newest.metrics;
    const auto found = values.find(std::string(timing ? name.substr(kTiming.size()) : name));
    return found == values.end() ? std::nullopt : std::optional(found->second);
  };
  std::vector<std::string_view> done;
  for (const MetricInfo& metric : metric_table()) {
    if (metric.family.empty() || std::find(done.begin(), done.end(), metric.family) != done.end()) continue;
    done.push_back(metric.family);
    std::string_view help = metric.meaning;
    for (const auto& [family, its_help] : kMetricFamilies)
      if (family == metric.family) help = its_help;
    const std::string full = fmt::format("prosodia_{}", metric.family);
    bool headed = false;
    for (const MetricInfo& other : metric_table()) {
      const auto value = other.family == metric.family ? value_of(other.name) : std::nullopt;
      if (!value) continue;
      if (!headed) text.family(full, "gauge", help);
      headed = true;
      text.sample(full, other.label, *value);
    }
  }
}

void add_counters(Text& text, const LiveStatus& status) {
  for (const CounterFamily& family : kCounters) {
    const std::string full = fmt::format("prosodia_{}_total", family.name);
    bool headed = false;
    for (const CounterView& counter : status.counters) {
      if (counter.family != family.name) continue;
      if (!headed) text.family(full, "counter", family.help);
      headed = true;
      text.sample(full, family.label.empty() ? "" : label(family.label, counter.label_value), counter.value);
    }
  }
}

}  // namespace

std::span<const CounterFamily> counter_families() { return kCounters; }

HostFacts measure_host(const std::filesystem::path& run_dir, double now) {
  HostFacts facts{.version = PROSODIA_VERSION, .now = now};
  struct statvfs disk {};
  if (::statvfs(run_dir.c_str(), &disk) == 0) {
    facts.disk_free_bytes = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
    facts.disk_size_bytes = static_cast<double>(disk.f_blocks) * static_cast<double>(disk.f_frsize);
  }
  struct tms times {};
  if (::times(&times) != static_cast<clock_t>(-1))
    facts.cpu_seconds =
        static_cast<double>(times.tms_utime + times.tms_stime) / static_cast<double>(sysconf(_SC_CLK_TCK));
  uint64_t pages = 0, resident = 0;
  if (std::ifstream("/proc/self/statm") >> pages >> resident)
    facts.resident_bytes = static_cast<double>(resident) * static_cast<double>(sysconf(_SC_PAGESIZE));
  std::error_code error;
  size_t files = 0;
  for (std::filesystem::directory_iterator at("/proc/self/fd", error), end; !error && at != end; at.increment(error))
    ++files;
  if (!error && files > 0) facts.open_files = static_cast<double>(files - 1);  // the iterator's own
  return facts;
}

std::string prometheus_text(const LiveStatus& status, const HostFacts& host) {
  Text text;
  add_run(text, status, host);
  add_workers(text, status);
  add_counters(text, status);
  add_metrics(text, status);
  text.gauge_if("prosodia_run_disk_free_bytes", "Free space where the run folder lies.", host.disk_free_bytes);
  text.gauge_if("prosodia_run_disk_size_bytes", "Size of the file system where the run folder lies.",
                host.disk_size_bytes);
  if (host.cpu_seconds)
    text.counter("process_cpu_seconds_total", "CPU time of the coordinator process.", *host.cpu_seconds);
  text.gauge_if("process_resident_memory_bytes", "Resident memory of the coordinator process.", host.resident_bytes);
  text.gauge_if("process_open_fds", "Open file descriptors of the coordinator process.", host.open_files);
  return text.take();
}

}  // namespace prosodia
