#include "orchestrator/launch/signals.h"

#include <unistd.h>

#include <csignal>

namespace prosodia::launch {
namespace {

// Written by a signal handler, so they cannot be owned by anyone else.
std::atomic<bool> stop_requested{false}, taken_over{false}, alarm_set{false};
std::atomic<int> second_signal{0};
std::atomic<unsigned> seconds_left{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
              std::atomic<unsigned>::is_always_lock_free);

void on_signal(int signal) {
  if (const unsigned seconds = seconds_left; seconds > 0 && signal != SIGUSR1 && !alarm_set.exchange(true))
    alarm(seconds);
  if (!stop_requested.exchange(true) || signal == SIGUSR1) return;
  if (!taken_over) _exit(128 + signal);
  second_signal = signal;
}

}  // namespace

std::atomic<bool>& install_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;  // no SA_RESTART: blocking calls return EINTR and their loops see the flag
  sigemptyset(&action.sa_mask);
  for (int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  return stop_requested;
}

std::atomic<int>& take_over_second_signal() {
  taken_over = true;
  return second_signal;
}

void end_after_stop_signal(unsigned seconds) {
  std::signal(SIGALRM, SIG_DFL);
  seconds_left = seconds;
}

}  // namespace prosodia::launch
