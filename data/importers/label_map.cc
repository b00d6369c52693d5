#include "data/importers/label_map.h"

#include <fmt/ranges.h>

#include "data/corpus/emotions.h"
#include "data/importers/text.h"

namespace prosodia {
namespace {

constexpr std::string_view kLeaveOut = "-";

std::string emotion_names() {
  std::vector<std::string_view> names;
  for (const EmotionProfile& profile : emotion_profiles()) names.push_back(profile.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

}  // namespace

const LabelMap::Line* LabelMap::find(std::string_view name) const {
  const std::string wanted = lower_ascii(name);
  for (const Line& line : lines_) {
    if (lower_ascii(line.source) == wanted) return &line;
  }
  for (const Line& line : lines_) {
    if (lower_ascii(line.english) == wanted) return &line;
  }
  return nullptr;
}

Result<LabelMap> LabelMap::make(std::span<const LabelRule> rules, std::span<const std::string> overrides, bool open) {
  LabelMap map;
  for (const LabelRule& rule : rules) {
    map.lines_.push_back(
        {std::string(rule.source), std::string(rule.english), std::string(rule.emotion), std::string(rule.reason)});
  }
  for (const std::string& entry : overrides) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos) {
      return fail(ErrorCode::kUsage, "--label_map '{}': expected LABEL=EMOTION, or LABEL=- to leave it out", entry);
    }
    const std::string label(trim_ascii(std::string_view(entry).substr(0, equals)));
    const std::string emotion = lower_ascii(trim_ascii(std::string_view(entry).substr(equals + 1)));
    if (emotion != kLeaveOut && !emotion_index(emotion)) {
      return fail(ErrorCode::kUsage, "--label_map '{}': '{}' is no emotion; expected {} or - to leave it out", entry,
                  emotion, emotion_names());
    }
    const Line* known = map.find(label);
    if (label.empty() || (known == nullptr && !open)) {
      std::vector<std::string> names;
      for (const Line& line : map.lines_) {
        names.push_back(line.english == line.source ? line.source : fmt::format("{} ({})", line.source, line.english));
      }
      return fail(ErrorCode::kUsage, "--label_map '{}': this format has no label '{}'; it has {}", entry, label,
                  fmt::join(names, ", "));
    }
    // An English name may stand for several of the release's labels.
    bool exact = false;
    for (const Line& line : map.lines_) exact |= lower_ascii(line.source) == lower_ascii(label);
    const std::string target = emotion == kLeaveOut ? "" : emotion;
    if (known == nullptr) map.lines_.push_back({label, label, "", ""});
    for (Line& line : map.lines_) {
      if (lower_ascii(exact || known == nullptr ? line.source : line.english) != lower_ascii(label)) continue;
      line.emotion = target;
      line.reason = target.empty() ? "by --label_map" : "";
    }
  }
  return map;
}

bool LabelMap::knows(std::string_view source) const { return find(source) != nullptr; }

std::optional<std::string> LabelMap::emotion(std::string_view source) const {
  const Line* line = find(source);
  if (line == nullptr || line->emotion.empty()) return std::nullopt;
  return line->emotion;
}

}  // namespace prosodia
