// Options: the first byte chooses the command and where the rest comes from (an INI file, or arguments, one a line).
// What is accepted of a command whose options go to config.ini must be read back from there the same: processes of one run
// hand their options on in this way.
#include <sstream>

#include "orchestrator/cli/options.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {

using namespace cli;

namespace {

void check_round_trip(const Options& options, uint32_t command) {
  const std::string ini = options.to_ini(command);
  const std::vector<std::string> arguments = {"--config",
                                              write_scratch("again.ini", std::as_bytes(std::span(ini))).string()};
  const auto again = parse_options(command, arguments);
  PROSODIA_CHECK(again.has_value(), "config.ini is not read back: {}", again.error().message);
  for (const OptionSpec& spec : option_table()) {
    if (!(spec.commands & command) || std::string_view(spec.name) == "config") continue;
    // An empty value cannot be written; the default takes its place.
    if (options.text(spec.name).empty()) continue;
    PROSODIA_CHECK(again->text(spec.name) == options.text(spec.name), "--{} '{}' came back as '{}'", spec.name,
                   options.text(spec.name), again->text(spec.name));
    if (spec.kind == OptionKind::kInteger) (void)options.integer(spec.name);
    if (spec.kind == OptionKind::kReal) (void)options.real(spec.name);
  }
}

}  // namespace

void fuzz_options(Input input) {
  if (input.empty()) return;
  const auto choice = std::to_integer<uint32_t>(input[0]);
  const uint32_t command = 1u << (choice % 12);
  input = input.subspan(1);
  std::vector<std::string> arguments;
  if (choice & 0x80) {
    arguments = {"--config", write_scratch("fuzz.ini", input).string()};
  } else {
    std::istringstream lines{std::string(as_text(input))};
    for (std::string line; std::getline(lines, line);) {
      if (line.find("config") != std::string::npos) return;  // would read any file of this machine
      arguments.push_back(line);
    }
  }
  const auto options = parse_options(command, arguments);
  if (options && (command & kWrittenToIni)) check_round_trip(*options, command);
}

}  // namespace prosodia::fuzz
