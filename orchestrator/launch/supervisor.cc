#include "orchestrator/launch/supervisor.h"

#include <chrono>
#include <csignal>
#include <thread>

namespace prosodia::launch {
namespace {

int64_t now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

bool is_final(const ExitStatus& status) {
  return !status.signalled && (status.code == 2 || status.code == 3 || status.code == 5);
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
  entries_.reserve(1 + others.size());
  entries_.emplace_back(std::move(leader), options_.restart, true);
  for (ProcessSpec& spec : others) entries_.emplace_back(std::move(spec), options_.restart, false);
}

Supervisor::~Supervisor() {
  for (Entry& entry : entries_) {
    if (entry.child) entry.child->signal(SIGKILL);
  }
}

void Supervisor::start(Entry& entry) {
  entry.restart_at_ms.reset();
  entry.started_ms = now_ms();
  auto child = Child::start(entry.spec);
  if (!child) {  // the program is missing or the log cannot be written: trying again cannot help
    options_.log(child.error().message);
    begin_shutdown(exit_code(child.error().code));
    return;
  }
  entry.child = *child;
}

void Supervisor::on_exit(Entry& entry, const ExitStatus& status) {
  entry.child.reset();
  if (final_code_) return;
  const auto where = entry.spec.log.empty() ? std::string() : fmt::format("; its log: {}", entry.spec.log.string());
  if (entry.leader && !status.signalled && (status.code == 0 || status.code == 6)) return begin_shutdown(status.code);
  if (told_leader_ && !is_final(status)) {
    // Asked to stop. A leader that ended before it could do so in order (a signal while it was starting, a crash) is
    // not started again, or the request would be lost; the journal has what it acknowledged. The others only follow.
    if (entry.leader) begin_shutdown(exit_code(ErrorCode::kInterrupted));
    return;
  }
  if (status.success()) return;
  if (is_final(status)) {
    options_.log(fmt::format("{} {}{}", entry.spec.name, status.describe(), where));
    return begin_shutdown(status.code);
  }
  const auto delay = entry.policy.on_failure(now_ms() - entry.started_ms);
  if (!delay) {
    options_.log(fmt::format("{} {} after {} restarts; giving up{}", entry.spec.name, status.describe(),
                             entry.policy.restarts(), where));
    return begin_shutdown(exit_code(ErrorCode::kUnavailable));
  }
  options_.log(fmt::format("{} {}; starting it again in {} ms (restart {}){}", entry.spec.name, status.describe(),
                           *delay, entry.policy.restarts(), where));
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
    if (!entry.child && entry.restart_at_ms && *entry.restart_at_ms <= now_ms()) start(entry);
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
  for (const Entry& entry : entries_) {
    if (entry.child) return true;
  }
  return false;
}

int Supervisor::run(const std::atomic<bool>& stop) {
  while (!final_code_ || anything_alive()) {
    reap_and_restart();
    if (stop.load() && !told_leader_ && !final_code_) {
      told_leader_ = true;
      options_.log("stopping: the step in hand is finished and saved first");
      for (Entry& entry : entries_) entry.restart_at_ms.reset();
      if (entries_[0].child) {
        entries_[0].child->signal(SIGTERM);
      } else {
        begin_shutdown(exit_code(ErrorCode::kInterrupted));
      }
    }
    kill_overdue();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return *final_code_;
}

}  // namespace prosodia::launch
