#include "data/corpus/utterance_check.h"

#include <algorithm>
#include <cmath>

#include "data/base/json.h"

namespace prosodia {
namespace {

constexpr double kToleranceSeconds = 0.1;  // an aligner's last frame may end behind the clip

Status check_levels(const ProsodyLevels& levels, std::string_view which) {
  for (Attribute attribute : kAttributes) {
    const std::string& level = levels[attribute];
    if (level.empty() || attribute == Attribute::kStress || is_level(attribute, level)) continue;
    return fail(ErrorCode::kInvalidInput, "{} {} is \"{}\"; expected one of: {}", which, attribute_name(attribute),
                level, fmt::join(level_names(attribute), ", "));
  }
  return {};
}

Status check_name(std::string_view what, const std::string& value, std::span<const std::string_view> names) {
  if (std::find(names.begin(), names.end(), value) != names.end()) return {};
  return fail(ErrorCode::kInvalidInput, "{} is \"{}\"; expected one of: {}", what, value, fmt::join(names, ", "));
}

bool is_primary_tag(std::string_view tag) {
  const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
  return (tag.size() == 2 || tag.size() == 3) && std::all_of(tag.begin(), tag.end(), lower);
}

Status check_words(std::span<const Word> words, double clip_seconds) {
  for (size_t i = 0; i < words.size(); ++i) {
    const Word& word = words[i];
    if (word.text.empty() || word.text.find_first_of(" \t\n\r") != std::string::npos) {
      return fail(ErrorCode::kInvalidInput, "word {} is \"{}\"; expected one word, without white space", i, word.text);
    }
    const bool in_order = word.start_seconds >= (i == 0 ? 0 : words[i - 1].start_seconds) &&
                          word.end_seconds >= word.start_seconds &&
                          word.end_seconds <= clip_seconds + kToleranceSeconds;  // false for NaN
    if (!in_order) {
      return fail(ErrorCode::kInvalidInput,
                  "word {} (\"{}\") runs from {} to {} s; expected ascending times within the clip's {:.3f} s", i,
                  word.text, word.start_seconds, word.end_seconds, clip_seconds);
    }
  }
  return {};
}

}  // namespace

Status check_utterance(const UtteranceInfo& info, double clip_seconds) {
  static constexpr std::string_view kSplits[] = {"train", "validation", "test"};
  PROSODIA_TRY(check_name("split", info.split, kSplits));
  if (!info.gender.empty()) PROSODIA_TRY(check_name("gender", info.gender, level_names(Attribute::kGender)));
  if (!info.age_group.empty()) PROSODIA_TRY(check_name("age_group", info.age_group, level_names(Attribute::kAge)));
  if (!info.language.empty() && !is_primary_tag(info.language)) {
    return fail(ErrorCode::kInvalidInput, "language is \"{}\"; expected a BCP-47 primary tag such as \"en\" or \"de\"",
                info.language);
  }
  if (!info.extra.empty()) {
    PROSODIA_ASSIGN(const auto unused, parse_json_object(info.extra, "extra"));
    (void)unused;
  }
  PROSODIA_TRY(check_levels(info.controlled, "controlled"));
  PROSODIA_TRY(check_levels(info.levels, "level of"));
  return check_words(info.words, clip_seconds);
}

}  // namespace prosodia
