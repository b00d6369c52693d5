// prosodia: finds the command, parses its options, runs it, prints its error.
#include <fmt/core.h>
#include <unistd.h>

#include <climits>
#include <cstdlib>
#include <exception>
#include <string_view>

#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/help.h"
#include "orchestrator/launch/orphans.h"
#include "orchestrator/launch/signals.h"
#include "orchestrator/monitor/progress.h"

namespace prosodia::cli {
namespace {

constexpr const char* kVersion = PROSODIA_VERSION;

void print_overview(std::FILE* out) {
  fmt::print(out,
             "Prosodia {}: RL training of speech language models that reason about emotion\n\n"
             "usage: prosodia COMMAND [--option value …]      prosodia COMMAND --help\n\n",
             kVersion);
  fmt::print(out, "{}", overview_text(terminal_columns(out)));
}

std::string program_path() {
  char buffer[PATH_MAX];
  const ssize_t size = readlink("/proc/self/exe", buffer, sizeof buffer);
  return size > 0 ? std::string(buffer, static_cast<size_t>(size)) : "prosodia";
}

// The command whose words lead the arguments; removes them.
const CommandInfo* find_command(std::vector<std::string>& arguments) {
  for (const CommandInfo& command : command_table()) {
    const std::string_view words = command.words;
    const size_t space = words.find(' ');
    const size_t count = space == std::string_view::npos ? 1 : 2;
    if (arguments.size() < count || arguments[0] != words.substr(0, space)) continue;
    if (count == 2 && arguments[1] != words.substr(space + 1)) continue;
    arguments.erase(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(count));
    return &command;
  }
  return nullptr;
}

int unknown_command(const std::vector<std::string>& arguments) {
  std::vector<std::string_view> known;
  for (const CommandInfo& command : command_table()) known.emplace_back(command.words);
  const std::string given = arguments[0] == "data" && arguments.size() > 1 ? "data " + arguments[1] : arguments[0];
  const auto nearest = nearest_name(given, known);
  fmt::print(stderr, "prosodia: unknown command '{}'{}; `prosodia --help` lists them\n", given,
             nearest ? fmt::format("; did you mean '{}'?", *nearest) : "");
  return exit_code(ErrorCode::kUsage);
}

int run(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    print_overview(arguments.empty() ? stderr : stdout);
    return arguments.empty() ? exit_code(ErrorCode::kUsage) : 0;
  }
  if (arguments[0] == "--version") {
    fmt::print("prosodia {}\n", kVersion);
    return 0;
  }
  const CommandInfo* command = find_command(arguments);
  if (command == nullptr) return unknown_command(arguments);
  for (const std::string& argument : arguments) {
    if (argument == "--help" || argument == "-h") {
      fmt::print("{}", help_text(*command, terminal_columns(stdout)));
      return 0;
    }
  }
  for (std::string& argument : arguments) {
    if (command->positional == nullptr || argument.starts_with("-")) break;
    argument = fmt::format("--{}={}", command->positional, argument);
  }
  const auto options = parse_options(command->bit, arguments);
  if (!options) {
    fmt::print(stderr, "prosodia {}: {}\n", command->words, options.error().message);
    return exit_code(options.error().code);
  }
  if (std::getenv("OMPI_COMM_WORLD_RANK") != nullptr) launch::end_with_parent();  // a killed mpirun leaves its ranks
  const CommandContext context{arguments, program_path(), launch::install_stop_signals()};
  const auto code = function_of(*command)(*options, context);
  if (code) return *code;
  fmt::print(stderr, "prosodia {}: {}\n", command->words, code.error().message);
  return exit_code(code.error().code);
}

}  // namespace
}  // namespace prosodia::cli

int main(int argc, char** argv) {
  try {
    return prosodia::cli::run(argc, argv);
  } catch (const std::exception& error) {  // a library threw what its adapter should have caught: our bug
    fmt::print(stderr,
               "prosodia: unexpected exception: {}\nThis is a bug in Prosodia; please report it with this line.\n",
               error.what());
    return prosodia::exit_code(prosodia::ErrorCode::kInternal);
  }
}
