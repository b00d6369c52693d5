// prosodia completion, prosodia reference: what the tables say, for a shell and for a reader.
#include <fmt/core.h>

#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/completion.h"
#include "orchestrator/cli/reference.h"

namespace prosodia::cli {

Result<int> run_completion(const Options& options, const CommandContext&) {
  PROSODIA_ASSIGN(const std::string shell, options.required("shell"));
  fmt::print("{}", shell == "zsh" ? zsh_completion() : bash_completion());
  return 0;
}

Result<int> run_reference(const Options& options, const CommandContext&) {
  fmt::print("{}", options.text("format") == "man" ? reference_man(PROSODIA_VERSION) : reference_markdown());
  return 0;
}

}  // namespace prosodia::cli
