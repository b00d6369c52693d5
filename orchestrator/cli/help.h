// What --help prints, from the command table and the option table: options under their headings, with the kind of
// value, range or choices, unit and default, wrapped at the terminal's width. Pure functions; any thread.
#pragma once

#include <string>

#include "orchestrator/cli/command_table.h"

namespace prosodia::cli {

inline constexpr int kLeastHelpColumns = 40;

// A line for every command. Narrower than kLeastHelpColumns counts as that.
std::string overview_text(int columns);
std::string help_text(const CommandInfo& command, int columns);

// The options of a command under their headings, in the order in which the headings first occur.
struct OptionGroup {
  std::string_view name;
  std::vector<const OptionSpec*> options;
};
std::vector<OptionGroup> groups_of(uint32_t command);

// "N", "X", "FILE,…": what stands behind an option's name; "" for a flag.
std::string value_word(const OptionSpec& spec);
// Help, choices and default in one sentence or two.
std::string description_of(const OptionSpec& spec);

}  // namespace prosodia::cli
