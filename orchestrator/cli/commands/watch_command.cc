// prosodia watch: a run in the terminal, live or finished, from its folder or its metrics address.
#include <unistd.h>

#include "orchestrator/cli/commands/command.h"
#include "orchestrator/launch/signals.h"
#include "orchestrator/monitor/watch/ncurses_screen.h"
#include "orchestrator/monitor/watch/watch_loop.h"

namespace prosodia::cli {

Result<int> run_watch(const Options& options, const CommandContext& context) {
  const std::string run = options.text("run"), address = options.text("address");
  if (run.empty() == address.empty())
    return fail(ErrorCode::kUsage, "wants a run folder or --address HOST:PORT (one of them)");
  std::unique_ptr<watch::RunSource> source;
  if (address.empty()) {
    PROSODIA_ASSIGN(source, watch::open_folder(run));
  } else {
    PROSODIA_ASSIGN(source, watch::open_address(address));
  }
  const bool once = options.flag("once");
  if (once || !isatty(STDOUT_FILENO) || !isatty(STDIN_FILENO)) {
    const auto follow = once ? watch::Follow::kOnce : watch::Follow::kUntilTheEnd;
    PROSODIA_TRY(watch::run_lines(*source, follow, stdout, stderr, context.stop));
    return 0;
  }
  launch::take_over_second_signal();  // the first one ends the loop, which puts the terminal back
  PROSODIA_ASSIGN(const auto screen, watch::open_terminal());
  watch::Feed feed(std::move(source), run.empty() ? address : run);
  watch::run_terminal(*screen, feed, context.stop);
  return 0;
}

}  // namespace prosodia::cli
