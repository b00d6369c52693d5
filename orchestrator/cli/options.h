// The option table: every flag of every command, once. Flags, --help, INI files, the resolved RUN/config.ini and the
// configuration digest are all generated from it. Names follow TRL and ms-swift where they have one.
//
// Used by main and the commands. Value types; no globals but the constant table. A value that cannot be parsed, is out
// of range or has an unknown name is a usage error (exit code 2) that names the option and the nearest known one.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"

namespace prosodia::cli {

enum class OptionKind { kText, kInteger, kReal, kFlag, kList };  // a list is given as repeated flags or with commas

// Bits naming the commands an option belongs to.
enum CommandBit : uint32_t {
  kDataSynth = 1u << 0,
  kDataBuild = 1u << 1,
  kDataInspect = 1u << 2,
  kModelInit = 1u << 3,
  kSft = 1u << 4,
  kTrain = 1u << 5,
  kRole = 1u << 6,  // coordinator, learner, rollout, reward: take train's options through --config
  kEval = 1u << 7,
  kInfer = 1u << 8,
  kScore = 1u << 9,
  kReport = 1u << 10,
  kExport = 1u << 11,
  kKeygen = 1u << 12,
  kDataImport = 1u << 13,
  kTrainRm = 1u << 15,
  kDataAnnotate = 1u << 14,
  kCompletion = 1u << 16,
  kReference = 1u << 17,
  kReplay = 1u << 20,
  kDoctor = 1u << 21,
  kWatch = 1u << 22,
};

// Commands whose options travel between processes, or are printed, as an INI file: their values must fit a line of it.
inline constexpr uint32_t kWrittenToIni = kTrain | kRole | kSft | kTrainRm;

struct OptionSpec {
  const char* name;
  OptionKind kind;
  const char* default_value;  // "" = no default; required options say so in `help`
  const char* help;           // one line, with unit and range
  const char* group;          // heading in --help
  uint32_t commands;
  // Whether two runs that differ in this option may differ in their results; only these enter the config digest.
  bool affects_result = false;
  double minimum = -1e300, maximum = 1e300;  // inclusive, for integers and reals
  const char* choices = "";                  // "a|b|c", for text
};

// A name may stand in several rows when no command is in two of them: the same word with other choices or another
// default.
std::span<const OptionSpec> option_table();
std::vector<const OptionSpec*> options_of(uint32_t command);  // in the table's order
std::vector<std::string> choices_of(const OptionSpec& spec);  // "true", "false" for a flag; empty = anything

// Parsed values of one command, every option of the command present (default or given).
class Options {
 public:
  const std::string& text(std::string_view name) const;
  int64_t integer(std::string_view name) const;
  double real(std::string_view name) const;
  bool flag(std::string_view name) const;
  std::vector<std::string> list(std::string_view name) const;
  bool given(std::string_view name) const;  // set by the user, on the command line or in a file

  // Text that must not be empty: usage error naming the option otherwise.
  Result<std::string> required(std::string_view name) const;
  void set(std::string_view name, std::string value);

  // INI text of all options of `command` (grouped, with help as comments), readable by --config.
  std::string to_ini(uint32_t command) const;
  // Digest of the options that affect results.
  Digest result_digest(uint32_t command) const;

  // As if given: checked as on the command line. kUsage naming the option.
  Status assign(uint32_t command, std::string_view name, const std::string& value);

 private:
  friend Result<Options> parse_options(uint32_t, std::span<const std::string>);
  const std::string& raw(std::string_view name) const;
  std::map<std::string, std::string, std::less<>> values_;
  std::map<std::string, bool, std::less<>> given_;
};

// Parses `--name value`, `--name=value`, flags without a value, and --config FILE (command line wins over the file).
// Dashes and underscores in names are the same.
Result<Options> parse_options(uint32_t command, std::span<const std::string> arguments);

// The sections of an INI file, in order, each as `base` with the section's own values. Only `allowed` names may stand
// in a section. kUsage naming file and line.
struct OptionSection {
  std::string name;
  Options options;
};
Result<std::vector<OptionSection>> parse_sections(uint32_t command, const Options& base,
                                                  std::span<const std::string_view> allowed,
                                                  const std::filesystem::path& file);

// The closest of `known` by edit distance, when near enough to be a typo.
std::optional<std::string> nearest_name(std::string_view name, std::span<const std::string_view> known);

}  // namespace prosodia::cli
