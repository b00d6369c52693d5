#include "orchestrator/cli/options.h"

#include <algorithm>
#include <boost/program_options.hpp>
#include <fstream>
#include <sstream>

#include "data/base/check.h"
#include "data/base/number.h"

namespace prosodia::cli {
namespace {

namespace po = boost::program_options;

const OptionSpec* find_spec(std::string_view name, uint32_t command) {
  for (const OptionSpec& spec : option_table()) {
    if (spec.name == name && (spec.commands & command)) return &spec;
  }
  return nullptr;
}

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = text.find(separator);
    if (end != 0) parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return parts;
}

// In an INI file '#' begins a comment, and spaces at the ends go.
bool fits_a_line(const std::string& value) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const bool trimmed =
      value.empty() || (kSpace.find(value.front()) == kSpace.npos && kSpace.find(value.back()) == kSpace.npos);
  return trimmed && value.find_first_of(std::string_view("#\n\r\0", 4)) == std::string::npos;
}

// Checks kind, range and choices; returns the canonical spelling.
Result<std::string> check_value(const OptionSpec& spec, uint32_t command, const std::string& value) {
  if ((command & kWrittenToIni) && !fits_a_line(value)) {
    return fail(ErrorCode::kUsage, "--{} '{}': a value cannot hold '#' or a line break, nor begin or end with a space",
                spec.name, value);
  }
  switch (spec.kind) {
    case OptionKind::kInteger:
    case OptionKind::kReal: {
      const bool integer = spec.kind == OptionKind::kInteger;
      const auto number = parse_number(value);
      if (!number || (integer && !parse_integer(value))) {
        return fail(ErrorCode::kUsage, "--{} wants {}, got '{}'", spec.name, integer ? "a whole number" : "a number",
                    value);
      }
      if (*number < spec.minimum || *number > spec.maximum) {
        return fail(ErrorCode::kUsage, "--{} must be from {} to {}, got {}", spec.name, spec.minimum, spec.maximum,
                    value);
      }
      return value;
    }
    case OptionKind::kFlag:
      if (value == "true" || value == "1" || value == "yes") return std::string("true");
      if (value == "false" || value == "0" || value == "no") return std::string("false");
      return fail(ErrorCode::kUsage, "--{} wants true or false, got '{}'", spec.name, value);
    case OptionKind::kText: {
      const auto choices = choices_of(spec);
      if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
        return fail(ErrorCode::kUsage, "--{} must be one of {}, got '{}'", spec.name, fmt::join(choices, ", "), value);
      }
      return value;
    }
    case OptionKind::kList:
      return value;
  }
  return value;
}

tl::unexpected<Error> unknown_option(std::string_view name, uint32_t command, std::string_view where) {
  std::vector<std::string_view> known;
  for (const OptionSpec* spec : options_of(command)) known.push_back(spec->name);
  if (const auto nearest = nearest_name(name, known)) {
    return fail(ErrorCode::kUsage, "{}unknown option '{}'; did you mean '--{}'?", where, name, *nearest);
  }
  return fail(ErrorCode::kUsage, "{}unknown option '{}'; --help lists the options of this command", where, name);
}

using Values = std::map<std::string, std::string, std::less<>>;

// Stores one parsed option; repeated lists are joined by commas, anything else given twice is an error.
Status store(const po::option& option, uint32_t command, std::string_view where, Values& values) {
  std::string name = option.string_key;
  std::replace(name.begin(), name.end(), '-', '_');
  const OptionSpec* spec = find_spec(name, command);
  if (option.unregistered || spec == nullptr) return unknown_option(option.string_key, command, where);
  const std::string value =
      option.value.empty() ? (spec->kind == OptionKind::kFlag ? "true" : "") : option.value.front();
  const bool repeated = values.contains(name);
  if (repeated && spec->kind != OptionKind::kList) return fail(ErrorCode::kUsage, "{}--{} is given twice", where, name);
  PROSODIA_ASSIGN(std::string checked, check_value(*spec, command, value));
  values[name] = repeated ? values[name] + "," + checked : checked;
  return {};
}

po::options_description describe(uint32_t command) {
  po::options_description description;
  for (const OptionSpec* spec : options_of(command)) {
    auto* semantic = po::value<std::string>();
    if (spec->kind == OptionKind::kFlag) semantic->implicit_value("true");
    description.add_options()(spec->name, semantic, spec->help);
  }
  return description;
}

Result<Values> parse_command_line(uint32_t command, std::span<const std::string> arguments) {
  // A name may be spelt with dashes; only the part before '=' is a name.
  std::vector<std::string> normalised;
  for (std::string argument : arguments) {
    if (argument.starts_with("--")) {
      const auto end = argument.begin() + static_cast<std::ptrdiff_t>(std::min(argument.find('='), argument.size()));
      std::replace(argument.begin() + 2, end, '-', '_');
    } else if (argument.size() == 2 && argument[0] == '-' && std::isalpha(static_cast<unsigned char>(argument[1]))) {
      return fail(ErrorCode::kUsage, "unknown option '{}'; options are spelt --name", argument);
    }
    normalised.push_back(std::move(argument));
  }
  Values values;
  try {
    namespace style = po::command_line_style;
    const auto parsed = po::command_line_parser(normalised)
                            .options(describe(command))
                            .style(style::allow_long | style::long_allow_next | style::long_allow_adjacent)
                            .allow_unregistered()
                            .run();
    for (const auto& option : parsed.options) {
      if (option.string_key.empty() || option.position_key >= 0) {
        return fail(ErrorCode::kUsage, "unexpected argument '{}'; options are spelt --name value",
                    option.value.empty() ? "" : option.value.front());
      }
      PROSODIA_TRY(store(option, command, "", values));
    }
  } catch (const po::error& error) {
    return fail(ErrorCode::kUsage, "{}", error.what());
  }
  return values;
}

Result<Values> parse_ini(uint32_t command, const std::string& path) {
  std::ifstream stream(path);
  if (!stream) return fail(ErrorCode::kUsage, "--config {}: cannot be read", path);
  Values values;
  try {
    const auto parsed = po::parse_config_file(stream, describe(command), /*allow_unregistered=*/true);
    for (const auto& option : parsed.options) PROSODIA_TRY(store(option, command, path + ": ", values));
  } catch (const po::error& error) {
    return fail(ErrorCode::kUsage, "{}: {}", path, error.what());
  }
  return values;
}

}  // namespace

std::vector<const OptionSpec*> options_of(uint32_t command) {
  std::vector<const OptionSpec*> specs;
  for (const OptionSpec& spec : option_table()) {
    if (spec.commands & command) specs.push_back(&spec);
  }
  return specs;
}

std::vector<std::string> choices_of(const OptionSpec& spec) {
  if (spec.kind == OptionKind::kFlag) return {"true", "false"};
  return split(spec.choices, '|');
}

const std::string& Options::raw(std::string_view name) const {
  const auto found = values_.find(name);
  PROSODIA_CHECK(found != values_.end(), "option '{}' does not belong to this command", name);
  return found->second;
}

const std::string& Options::text(std::string_view name) const { return raw(name); }
int64_t Options::integer(std::string_view name) const { return *parse_integer(raw(name)); }
double Options::real(std::string_view name) const { return *parse_number(raw(name)); }
bool Options::flag(std::string_view name) const { return raw(name) == "true"; }
std::vector<std::string> Options::list(std::string_view name) const { return split(raw(name), ','); }
bool Options::given(std::string_view name) const { return given_.find(name) != given_.end(); }

Result<std::string> Options::required(std::string_view name) const {
  if (raw(name).empty()) return fail(ErrorCode::kUsage, "--{} is required; --help says what it takes", name);
  return raw(name);
}

void Options::set(std::string_view name, std::string value) {
  PROSODIA_CHECK(values_.contains(name), "option '{}' does not belong to this command", name);
  values_[std::string(name)] = std::move(value);
  given_[std::string(name)] = true;
}

Status Options::assign(uint32_t command, std::string_view name, const std::string& value) {
  const OptionSpec* spec = find_spec(name, command);
  if (spec == nullptr) return unknown_option(name, command, "");
  PROSODIA_ASSIGN(std::string checked, check_value(*spec, command, value));
  set(name, std::move(checked));
  return {};
}

std::string Options::to_ini(uint32_t command) const {
  std::string text;
  std::string_view group;
  for (const OptionSpec* spec : options_of(command)) {
    const auto value = values_.find(spec->name);
    if (std::string_view(spec->name) == "config" || value == values_.end()) continue;
    if (group != spec->group) {
      group = spec->group;
      text += fmt::format("{}# {}\n", text.empty() ? "" : "\n", group);
    }
    // An empty value would not be read back as empty, so it stays a comment.
    text += fmt::format("{}{} = {}\n", value->second.empty() ? "# " : "", spec->name, value->second);
  }
  return text;
}

Digest Options::result_digest(uint32_t command) const {
  DigestBuilder builder;
  for (const OptionSpec* spec : options_of(command)) {
    const auto value = values_.find(spec->name);
    if (!spec->affects_result || value == values_.end()) continue;
    builder.add(std::string_view(spec->name)).add(std::string_view(value->second));
  }
  return builder.finish();
}

Result<Options> parse_options(uint32_t command, std::span<const std::string> arguments) {
  PROSODIA_ASSIGN(const Values line, parse_command_line(command, arguments));
  Options options;
  for (const OptionSpec* spec : options_of(command)) options.values_[spec->name] = spec->default_value;
  if (const auto config = line.find("config"); config != line.end()) {
    PROSODIA_ASSIGN(const Values file, parse_ini(command, config->second));
    for (const auto& [name, value] : file) {
      options.values_[name] = value;
      options.given_[name] = true;
    }
  }
  for (const auto& [name, value] : line) {
    options.values_[name] = value;
    options.given_[name] = true;
  }
  return options;
}

std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string_view> known) {
  while (name.starts_with('-')) name.remove_prefix(1);
  std::optional<std::string> best;
  size_t best_distance = std::max<size_t>(2, name.size() / 3) + 1;
  for (std::string_view candidate : known) {
    std::vector<size_t> row(candidate.size() + 1);
    for (size_t j = 0; j <= candidate.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= name.size(); ++i) {
      size_t diagonal = row[0];
      row[0] = i;
      for (size_t j = 1; j <= candidate.size(); ++j) {
        const size_t substitute = diagonal + (name[i - 1] == candidate[j - 1] ? 0 : 1);
        diagonal = row[j];
        row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = std::string(candidate);
    }
  }
  return best;
}

}  // namespace prosodia::cli
