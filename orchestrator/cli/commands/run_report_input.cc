#include "orchestrator/cli/commands/run_report_input.h"

#include <vector>

#include "orchestrator/cli/options.h"

namespace prosodia::cli {

namespace fs = std::filesystem;

RunInput report_input(const fs::path& run_dir) {
  const fs::path whole = fs::weakly_canonical(fs::absolute(run_dir));
  RunInput input{.dir = run_dir, .name = whole.has_filename() ? whole.filename() : whole.parent_path().filename()};
  const fs::path file = run_dir / "config.ini";
  if (!fs::exists(file)) return input;
  const std::vector<std::string> arguments = {"--config", file.string()};
  const auto options = parse_options(kTrain, arguments);
  if (!options) return input;
  input.scale_rewards = options->text("scale_rewards");
  for (const OptionSpec& spec : option_table())
    if ((spec.commands & kTrain) && spec.name != std::string_view("config"))
      input.config.push_back({spec.name, options->text(spec.name), spec.group, spec.help});
  return input;
}

}  // namespace prosodia::cli
