// Graceful stop: the first SIGINT, SIGTERM or SIGUSR1 sets a flag that loops look at; a second SIGINT or SIGTERM ends
// the process at once. Call from main, once.
#pragma once

#include <atomic>

namespace prosodia::launch {

// The returned flag lives as long as the process.
std::atomic<bool>& install_stop_signals();

}  // namespace prosodia::launch
