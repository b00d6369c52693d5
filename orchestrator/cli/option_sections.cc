// parse_sections() of options.h: an INI file whose sections stand one after the other, such as sft's stages.
#include <algorithm>
#include <fstream>

#include "orchestrator/cli/options.h"

namespace prosodia::cli {
namespace {

std::string trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\v\f";
  const size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return std::string(text.substr(begin, text.find_last_not_of(kSpace) - begin + 1));
}

class SectionReader {
 public:
  SectionReader(uint32_t command, const Options& base, std::span<const std::string_view> allowed)
      : command_(command), base_(base), allowed_(allowed) {}

  Status read_line(const std::string& line) {
    if (line.empty()) return {};
    if (line.front() == '[') return begin_section(line);
    const size_t equals = line.find('=');
    if (equals == std::string::npos)
      return fail(ErrorCode::kUsage, "expected [section] or name = value, got '{}'", line);
    if (sections_.empty()) return fail(ErrorCode::kUsage, "'{}' stands before the first [section]", line);
    return set(trimmed(std::string_view(line).substr(0, equals)), trimmed(std::string_view(line).substr(equals + 1)));
  }
  std::vector<OptionSection> take() { return std::move(sections_); }

 private:
  Status begin_section(const std::string& line) {
    if (line.back() != ']') return fail(ErrorCode::kUsage, "expected [section], got '{}'", line);
    const std::string name = trimmed(std::string_view(line).substr(1, line.size() - 2));
    const auto same = [&](const OptionSection& section) { return section.name == name; };
    if (name.empty() || std::any_of(sections_.begin(), sections_.end(), same))
      return fail(ErrorCode::kUsage, "section '{}' has no name or that of another", name);
    sections_.push_back({name, base_});
    seen_.clear();
    return {};
  }

  Status set(std::string name, const std::string& value) {
    std::replace(name.begin(), name.end(), '-', '_');
    if (std::find(allowed_.begin(), allowed_.end(), name) == allowed_.end()) {
      const auto nearest = nearest_name(name, allowed_);
      return fail(ErrorCode::kUsage, "option '{}' cannot stand in a section{}; it takes {}", name,
                  nearest ? fmt::format("; did you mean '{}'?", *nearest) : "", fmt::join(allowed_, ", "));
    }
    if (std::find(seen_.begin(), seen_.end(), name) != seen_.end())
      return fail(ErrorCode::kUsage, "'{}' is given twice in [{}]", name, sections_.back().name);
    seen_.push_back(name);
    return sections_.back().options.assign(command_, name, value);
  }

  const uint32_t command_;
  const Options& base_;
  const std::span<const std::string_view> allowed_;
  std::vector<OptionSection> sections_;
  std::vector<std::string> seen_;  // in the section in hand
};

}  // namespace

Result<std::vector<OptionSection>> parse_sections(uint32_t command, const Options& base,
                                                  std::span<const std::string_view> allowed,
                                                  const std::filesystem::path& file) {
  std::ifstream stream(file);
  if (!stream) return fail(ErrorCode::kUsage, "{}: cannot be read", file.string());
  SectionReader reader(command, base, allowed);
  std::string line;
  for (int64_t number = 1; std::getline(stream, line); ++number) {
    const Status status = reader.read_line(trimmed(std::string_view(line).substr(0, line.find('#'))));
    if (!status) return wrap(status.error(), fmt::format("{}:{}", file.string(), number));
  }
  auto sections = reader.take();
  if (sections.empty()) return fail(ErrorCode::kUsage, "{}: has no [section]", file.string());
  return sections;
}

}  // namespace prosodia::cli
