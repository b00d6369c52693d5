// From the labels of a release to the nine emotions of EmotionThinker (data/corpus/emotions.h). Every release has its
// default rules; --label_map changes them.
//
// Called by: the importers (rules), import.cc. Thread rule: value type. Failure rule: an override that names an unknown
// label or emotion is kUsage and names the known ones.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

// What becomes of one label. No emotion: utterances with it are left out and counted, and `reason` says why.
struct LabelRule {
  std::string_view source;   // as the release writes it: "exc", "Wut"
  std::string_view english;  // its meaning, also a name for --label_map: "excited", "anger"
  std::string_view emotion;  // one of the nine, or ""
  std::string_view reason = {};
};

class LabelMap {
 public:
  // `overrides`: "label=emotion" or "label=-" (leave out); labels by source or English name, letter case aside.
  // `open`: labels that no rule has are allowed on the left.
  static Result<LabelMap> make(std::span<const LabelRule> rules, std::span<const std::string> overrides, bool open);

  bool knows(std::string_view source) const;
  // The emotion; nullopt: left out, because a rule says so or none knows the label.
  std::optional<std::string> emotion(std::string_view source) const;

  struct Line {
    std::string source, english, emotion, reason;
  };
  const std::vector<Line>& lines() const { return lines_; }  // in the rules' order

 private:
  const Line* find(std::string_view name) const;
  std::vector<Line> lines_;
};

}  // namespace prosodia
