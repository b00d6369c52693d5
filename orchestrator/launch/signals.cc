#include "orchestrator/launch/signals.h"

#include <unistd.h>

#include <csignal>

namespace prosodia::launch {
namespace {

std::atomic<bool> stop_requested{false};  // written by a signal handler, so it cannot be owned by anyone else
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int signal) {
  if (stop_requested.exchange(true) && signal != SIGUSR1) _exit(128 + signal);
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

}  // namespace prosodia::launch
