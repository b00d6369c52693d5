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

// From now on a first SIGINT or SIGTERM leaves the process so many seconds; then SIGALRM ends it, wherever it is. For
// learner ranks that srun starts itself: when one of them dies, srun sends the others, who wait for it in a collective,
// SIGTERM and nothing more until the cluster's KillWait has passed.
void end_after_stop_signal(unsigned seconds);

}  // namespace prosodia::launch
