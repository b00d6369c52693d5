#include "orchestrator/cli/help.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "data/base/code_points.h"

namespace prosodia::cli {
namespace {

constexpr int kIndent = 2, kGap = 2;

// The tables hold no wide characters.
int columns_of(std::string_view text) { return static_cast<int>(count_code_points(text)); }

// Lines of at most `columns`, broken at blanks; a longer word stands alone.
std::vector<std::string> wrapped(std::string_view text, int columns) {
  std::vector<std::string> lines(1);
  while (!text.empty()) {
    const size_t blank = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, blank);
    text.remove_prefix(std::min(blank + 1, text.size()));
    if (!lines.back().empty() && columns_of(lines.back()) + 1 + columns_of(word) > columns) lines.emplace_back();
    if (!lines.back().empty()) lines.back() += ' ';
    lines.back() += word;
  }
  return lines;
}

// `head` at the left, `body` wrapped in a column of its own; on the next line when the head is too long.
std::string entry(const std::string& head, std::string_view body, int head_columns, int columns) {
  const int left = kIndent + head_columns + kGap;
  std::string text = std::string(kIndent, ' ') + head;
  int at = kIndent + columns_of(head);
  for (const std::string& line : wrapped(body, columns - left)) {
    if (at + kGap > left) {
      text += '\n';
      at = 0;
    }
    text += std::string(static_cast<size_t>(left - at), ' ') + line;
    at = columns;  // the next one begins a line
  }
  return text + '\n';
}

std::string paragraph(std::string_view text, int columns) {
  std::string out;
  for (const std::string& line : wrapped(text, columns)) out += line + '\n';
  return out;
}

}  // namespace

std::vector<OptionGroup> groups_of(uint32_t command) {
  std::vector<OptionGroup> groups;
  for (const OptionSpec* spec : options_of(command)) {
    auto group = std::ranges::find(groups, spec->group, &OptionGroup::name);
    if (group == groups.end()) group = groups.insert(groups.end(), OptionGroup{spec->group, {}});
    group->options.push_back(spec);
  }
  return groups;
}

std::string value_word(const OptionSpec& spec) {
  switch (spec.kind) {
    case OptionKind::kInteger:
      return "N";
    case OptionKind::kReal:
      return "X";
    case OptionKind::kList:
      return "A,B,…";
    case OptionKind::kText:
      return *spec.choices ? "WORD" : "TEXT";
    case OptionKind::kFlag:
      return "";
  }
  return "";
}

std::string description_of(const OptionSpec& spec) {
  std::string text = spec.help;
  if (*spec.choices) text += fmt::format("; one of {}", fmt::join(choices_of(spec), ", "));
  if (*spec.default_value) text += fmt::format(" (default {})", spec.default_value);
  return text;
}

std::string overview_text(int columns) {
  columns = std::max(columns, kLeastHelpColumns);
  std::string text;
  for (const CommandInfo& command : command_table()) text += entry(command.words, command.summary, 13, columns);
  return text;
}

std::string help_text(const CommandInfo& command, int columns) {
  columns = std::max(columns, kLeastHelpColumns);
  const int head_columns = columns < 80 ? 18 : 31;
  std::string text =
      paragraph(command.summary, columns) + "\n" + paragraph(fmt::format("usage: {}", command.usage), columns);
  for (const OptionGroup& group : groups_of(command.bit)) {
    text += fmt::format("\n{}:\n", group.name);
    for (const OptionSpec* spec : group.options) {
      const std::string value = value_word(*spec);
      text += entry(fmt::format("--{}{}{}", spec->name, value.empty() ? "" : " ", value), description_of(*spec),
                    head_columns, columns);
    }
  }
  text += "\n" + paragraph(
                     "A flag alone means true; --flag false turns it off. Names may be spelt with dashes. "
                     "`prosodia reference` prints all commands.",
                     columns);
  return text;
}

}  // namespace prosodia::cli
