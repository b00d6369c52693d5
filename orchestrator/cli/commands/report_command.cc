// prosodia report: the pictures of a run, from its metrics and responses.
#include <fmt/core.h>

#include <filesystem>

#include "data/store/fs.h"
#include "orchestrator/cli/commands/command.h"
#include "orchestrator/monitor/curves.h"

namespace prosodia::cli {

Result<int> run_report(const Options& options, const CommandContext&) {
  PROSODIA_ASSIGN(const std::filesystem::path run, options.required("run"));
  constexpr size_t kSamples = 24;
  PROSODIA_TRY(write_report(posix_file_system(), run, run.filename().string(), kSamples));
  fmt::print("wrote {0}/report.html and {0}/curves.svg\n", run.string());
  return 0;
}

}  // namespace prosodia::cli
