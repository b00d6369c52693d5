#include "orchestrator/launch/supervisor.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

namespace prosodia::launch {
namespace {

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

// Where to read on, with the line of the log that tells why: the command's own last words ("prosodia learner: …") when
// there are any near the end (mpirun talks on after them), else the last line.
std::string log_hint(const ProcessSpec& spec) {
  if (spec.log.empty() || spec.inherit_stdout) return {};
  constexpr std::streamoff kTail = 4000;
  std::ifstream file(spec.log, std::ios::ate);
  const std::streamoff size = file.tellg();
  std::string last, words;
  if (size > 0) {
    file.seekg(std::max<std::streamoff>(0, size - kTail));
    for (std::string line; std::getline(file, line);) {
      if (!line.empty()) last = line;
      if (line.starts_with("prosodia ")) words = line;
    }
  }
  if (!words.empty()) last = words;
  return last.empty() ? fmt::format("; its log: {}", spec.log.string())
                      : fmt::format("; its log {} ends: {}", spec.log.string(), last);
}

}  // namespace

struct Supervisor::Entry {
  Entry(ProcessSpec s, RestartOptions options, bool leads) : spec(std::move(s)), policy(options), leader(leads) {}
  ProcessSpec spec;
  RestartPolicy policy;
  bool leader;
  std::optional<Child> child;
  int64_t started_ms = 0;
  std::optional<int64_t> restart_at_ms = 0;  // due to start at this time; nothing = not to be started
};

Supervisor::Supervisor(SupervisorOptions options, ProcessSpec leader, std::vector<ProcessSpec> others)
    : options_(std::move(options)) {
  if (auto line = SupervisorLine::open()) {
    line_.emplace(std::move(*line));
    leader.inherited_fds.push_back(line_->leader_fd());
    leader.environment.push_back(line_->environment());
  }
  entries_.reserve(1 + others.size());
  entries_.emplace_back(std::move(leader), options_.restart, true);
  for (ProcessSpec& spec : others) entries_.emplace_back(std::move(spec), options_.restart, false);
}

Supervisor::~Supervisor() { kill_all(); }

void Supervisor::start(Entry& entry) {
  entry.restart_at_ms.reset();
  entry.started_ms = now_ms();
  if (entry.leader) leader_heard_ms_ = -1;
  auto child = Child::start(entry.spec);
  if (!child) {  // the program is missing or the log cannot be written: trying again cannot help
    options_.log(child.error().message);
    begin_shutdown(exit_code(child.error().code));
    return;
  }
  entry.child = *child;
}

bool Supervisor::is_final(const Entry& entry, const ExitStatus& status) const {
  if (status.signalled) return false;
  static const std::vector<int> kOthers = {2, 3, 5};
  const std::vector<int>& codes = entry.leader ? options_.leader_final_codes : kOthers;
  return std::find(codes.begin(), codes.end(), status.code) != codes.end();
}

void Supervisor::on_exit(Entry& entry, const ExitStatus& status) {
  entry.child.reset();
  look_for_orphans_ = true;
  if (final_code_) return;
  if (entry.leader && !status.signalled && (status.code == 0 || status.code == 6)) return begin_shutdown(status.code);
  if (stop_told_ms_ >= 0 && !is_final(entry, status)) {
    // Asked to stop. A leader that ended before it could do so in order (a signal while it was starting, a crash) is
    // not started again, or the request would be lost; the journal has what it acknowledged. The others only follow.
    if (entry.leader) begin_shutdown(exit_code(ErrorCode::kInterrupted));
    return;
  }
  if (status.success()) return;
  if (is_final(entry, status)) {
    options_.log(fmt::format("{} {}{}", entry.spec.name, status.describe(), log_hint(entry.spec)));
    return begin_shutdown(status.code);
  }
  restart_later(entry, status.describe());
}

void Supervisor::restart_later(Entry& entry, const std::string& how) {
  const auto delay = entry.policy.on_failure(now_ms() - entry.started_ms);
  if (!delay) {
    options_.log(fmt::format("{} {} after {} restarts; giving up{}", entry.spec.name, how, entry.policy.restarts(),
                             log_hint(entry.spec)));
    return begin_shutdown(exit_code(ErrorCode::kUnavailable));
  }
  options_.log(fmt::format("{} {}; starting it again in {} ms (restart {}){}", entry.spec.name, how, *delay,
                           entry.policy.restarts(), log_hint(entry.spec)));
  entry.restart_at_ms = now_ms() + *delay;
}

void Supervisor::begin_shutdown(int code) {
  if (final_code_) return;
  final_code_ = code;
  shutdown_ms_ = now_ms();
  for (Entry& entry : entries_) {
    entry.restart_at_ms.reset();
    if (entry.child) entry.child->signal(SIGTERM);
  }
}

void Supervisor::reap_and_restart() {
  for (Entry& entry : entries_) {
    if (entry.child) {
      if (const auto status = entry.child->poll()) on_exit(entry, *status);
    }
  }
  if (look_for_orphans_) {
    const auto is_ours = [this](pid_t pid) {
      return std::any_of(entries_.begin(), entries_.end(),
                         [pid](const Entry& entry) { return entry.child && entry.child->pid() == pid; });
    };
    look_for_orphans_ = kill_orphans(is_ours) > 0;
    if (look_for_orphans_) return;  // nothing starts beside the remains of the one before
  }
  for (Entry& entry : entries_) {
    if (entry.child) continue;
    if (entry.restart_at_ms && *entry.restart_at_ms <= now_ms()) start(entry);
  }
}

void Supervisor::kill_stuck(Entry& entry, const std::string& why) {
  options_.log(fmt::format("{} (pid {}) is stuck: {}; killing it", entry.spec.name, entry.child->pid(), why));
  entry.child->signal(SIGKILL);
}

// Reports are read before the leader's silence is judged: it is this process that may have been stopped.
void Supervisor::hear_leader() {
  if (!line_) return;
  for (const SupervisorLine::Report& report : line_->read()) {
    leader_heard_ms_ = now_ms();
    if (report.alive) continue;
    const auto named = [&](const Entry& entry) { return !entry.leader && entry.spec.name == report.name; };
    const auto entry = std::find_if(entries_.begin(), entries_.end(), named);
    if (entry != entries_.end() && entry->child) kill_stuck(*entry, report.reason);
  }
  if (leader_beat()) leader_heard_ms_ = now_ms();
  Entry& leader = entries_[0];
  if (!leader.child || leader_heard_ms_ < 0) return;
  const int64_t silent_ms = now_ms() - leader_heard_ms_;
  if (silent_ms < options_.leader_silence_ms) return;
  kill_stuck(leader, fmt::format("no sign of life for {} ms", silent_ms));
  leader_heard_ms_ = -1;
}

bool Supervisor::leader_beat() {
  if (options_.leader_heartbeat.empty()) return false;
  std::error_code absent;
  const auto beat = std::filesystem::last_write_time(options_.leader_heartbeat, absent);
  if (absent || beat == leader_beat_) return false;
  leader_beat_ = beat;
  return true;
}

void Supervisor::pass_on_stop() {
  if (final_code_) return;
  if (stop_told_ms_ < 0) {
    stop_told_ms_ = now_ms();
    options_.log("stopping: the step in hand is finished and saved first (a second signal ends everything at once)");
    for (Entry& entry : entries_) entry.restart_at_ms.reset();
    if (!entries_[0].child) return begin_shutdown(exit_code(ErrorCode::kInterrupted));
    entries_[0].child->signal(options_.leader_stop_signal);
  } else if (entries_[0].child && now_ms() - stop_told_ms_ > options_.leader_stop_ms) {
    kill_stuck(entries_[0], fmt::format("it did not end within {} ms", options_.leader_stop_ms));
    begin_shutdown(exit_code(ErrorCode::kInterrupted));
  }
}

void Supervisor::kill_overdue() {
  if (!final_code_ || killed_ || now_ms() - shutdown_ms_ < options_.grace_ms) return;
  killed_ = true;
  for (Entry& entry : entries_) {
    if (!entry.child) continue;
    options_.log(fmt::format("{} (pid {}) did not end within {} ms; killing it", entry.spec.name, entry.child->pid(),
                             options_.grace_ms));
    entry.child->signal(SIGKILL);
  }
}

bool Supervisor::anything_alive() const {
  return look_for_orphans_ ||
         std::any_of(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.child.has_value(); });
}

void Supervisor::kill_all() {
  if (!final_code_) final_code_ = exit_code(ErrorCode::kInternal);  // nothing is started again
  for (Entry& entry : entries_) {
    entry.restart_at_ms.reset();
    if (entry.child) entry.child->signal(SIGKILL);
  }
  while (anything_alive()) {
    reap_and_restart();
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  for (const Entry& entry : entries_) remove_scratch(entry.spec);
}

int Supervisor::run(const std::atomic<bool>& stop, const std::atomic<int>& kill_signal) {
  while (!final_code_ || anything_alive()) {
    if (const int signal = kill_signal.load(); signal != 0) {
      options_.log("a second signal: killing all processes; the same command goes on from what is saved");
      final_code_ = 128 + signal;
      break;
    }
    reap_and_restart();
    hear_leader();
    if (stop.load()) pass_on_stop();
    kill_overdue();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  kill_all();
  return *final_code_;
}

}  // namespace prosodia::launch
