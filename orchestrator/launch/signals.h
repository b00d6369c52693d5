// Graceful stop: the first SIGINT, SIGTERM or SIGUSR1 sets a flag that loops look at; a second SIGINT or SIGTERM ends
// the process at once. Call from main, once.
#pragma once

#include <atomic>

namespace prosodia::launch {

// The returned flag lives as long as the process.
std::atomic<bool>& install_stop_signals();

// From now on a second signal sets the returned number (to the signal's) in place of ending the process: for the
// supervisor, which has children to kill first and folders to remove.
std::atomic<int>& take_over_second_signal();

}  // namespace prosodia::launch
