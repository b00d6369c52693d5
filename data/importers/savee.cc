// SAVEE (Haq & Jackson 2010): AudioData/DC/a01.wav as released, or DC_a01.wav in one folder as it is often shared.
// Four men of 27 to 31 years read 15 TIMIT sentences per emotion (30 neutral). The release has no text of them.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/base/number.h"
#include "data/importers/importer.h"
#include "data/importers/release_tree.h"
#include "data/importers/text.h"

namespace prosodia {
namespace {

constexpr LabelRule kLabels[] = {
    {"a", "anger", "angry"},        {"d", "disgust", "contempt or disgust"},
    {"f", "fear", "fear"},          {"h", "happiness", "happy"},
    {"n", "neutral", "neutral"},    {"sa", "sadness", "sad"},
    {"su", "surprise", "surprise"},
};
constexpr std::array<std::string_view, 4> kSpeakers = {"DC", "JE", "JK", "KL"};

bool is_speaker(std::string_view name) {
  return std::find(kSpeakers.begin(), kSpeakers.end(), name) != kSpeakers.end();
}

struct Name {
  std::string speaker, label;
  int sentence = 0;
};

std::optional<Name> parse_name(const std::filesystem::path& file) {
  const std::string stem = file.stem().string();
  Name name;
  std::string_view rest = stem;
  if (const size_t underscore = rest.find('_'); underscore != std::string_view::npos) {
    name.speaker = rest.substr(0, underscore);
    rest.remove_prefix(underscore + 1);
  } else {
    name.speaker = file.parent_path().filename().string();
  }
  const size_t digits = std::min(rest.find_first_of("0123456789"), rest.size());
  name.label = rest.substr(0, digits);
  const auto number = parse_integer<int>(rest.substr(digits));
  const bool label = std::any_of(std::begin(kLabels), std::end(kLabels),
                                 [&](const LabelRule& rule) { return rule.source == name.label; });
  if (!is_speaker(name.speaker) || !label || rest.size() != digits + 2 || !number || *number < 1) return std::nullopt;
  name.sentence = *number;
  return name;
}

Result<ImportPlan> plan_savee(const PlanRequest& request) {
  PROSODIA_ASSIGN(const auto files, list_files(request.root));
  ImportPlan plan;
  for (const auto& file : files) {
    if (!is_audio_name(file)) continue;
    const auto name = parse_name(file);
    if (!name) {
      plan.problems.push_back({shown_path(file, request.root),
                               "wrong name: expected DC/a01 or DC_a01: a speaker (DC, JE, JK, KL), an emotion (a, d, "
                               "f, h, n, sa, su) and a sentence of two digits"});
      continue;
    }
    UtteranceInfo info;
    info.id = fmt::format("{}_{}{:02}", name->speaker, name->label, name->sentence);
    info.source = "savee";
    info.source_label = name->label;
    info.speaker = name->speaker;
    info.gender = "male";
    info.age_group = age_group(29);
    info.language = "en";
    info.extra = make_extra({{"sentence", name->sentence}}, file, request.root);
    plan.utterances.push_back({std::move(info), file});
  }
  if (!plan.utterances.empty() && !request.transcripts_given) {
    plan.notes.emplace_back("SAVEE is released without its sentences; --transcripts FILE adds them");
  }
  return plan;
}

}  // namespace

Importer savee_importer() {
  return {"savee", "AudioData/DC/a01.wav …, or DC_a01.wav … in one folder", kLabels, false, plan_savee};
}

}  // namespace prosodia
