// RAVDESS (Livingstone & Russo 2018, doi:10.1371/journal.pone.0196391), audio-only speech:
// Actor_XX/MM-VC-EE-II-SS-RR-AA.wav under the root or under the folders of the zip files.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "data/importers/importer.h"
#include "data/importers/release_tree.h"
#include "data/importers/text.h"

namespace prosodia {
namespace {

// The nine emotions have no place for calm, which RAVDESS records beside neutral and which is not neutral there.
constexpr LabelRule kLabels[] = {
    {"neutral", "neutral", "neutral"},
    {"calm", "calm", "", "none of the nine; often merged by --label_map calm=neutral"},
    {"happy", "happy", "happy"},
    {"sad", "sad", "sad"},
    {"angry", "angry", "angry"},
    {"fearful", "fearful", "fear"},
    {"disgust", "disgust", "contempt or disgust"},
    {"surprised", "surprised", "surprise"},
};
constexpr std::string_view kStatements[] = {"Kids are talking by the door.", "Dogs are sitting by the door."};
constexpr std::string_view kExpected = "expected MM-VC-EE-II-SS-RR-AA, seven numbers of two digits";

struct Name {
  int modality, channel, emotion, intensity, statement, repetition, actor;
};

Result<Name> parse_name(const std::string& stem) {
  const auto parts = split_at(stem, '-');
  std::array<int, 7> numbers{};
  if (parts.size() != numbers.size()) return fail(ErrorCode::kInvalidInput, "wrong name: {}", kExpected);
  constexpr std::array<int, 7> kMost = {3, 2, 8, 2, 2, 2, 24};
  constexpr std::array<std::string_view, 7> kWhat = {"modality",  "vocal channel", "emotion", "intensity",
                                                     "statement", "repetition",    "actor"};
  for (size_t i = 0; i < numbers.size(); ++i) {
    const auto digit = [&](size_t at) { return parts[i][at] >= '0' && parts[i][at] <= '9' ? parts[i][at] - '0' : -1; };
    if (parts[i].size() != 2 || digit(0) < 0 || digit(1) < 0) {
      return fail(ErrorCode::kInvalidInput, "wrong name: {}", kExpected);
    }
    numbers[i] = 10 * digit(0) + digit(1);
    if (numbers[i] < 1 || numbers[i] > kMost[i]) {
      return fail(ErrorCode::kInvalidInput, "wrong name: {} {} is not one of 01 to {:02}", kWhat[i], parts[i],
                  kMost[i]);
    }
  }
  return Name{numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6]};
}

Result<ImportPlan> plan_ravdess(const PlanRequest& request) {
  PROSODIA_ASSIGN(const auto files, list_files(request.root));
  ImportPlan plan;
  for (const auto& file : files) {
    if (!is_audio_name(file)) continue;
    const auto name = parse_name(file.stem().string());
    if (!name) {
      plan.problems.push_back({shown_path(file, request.root), name.error().message});
      continue;
    }
    if (name->channel == 2) {
      ++plan.left_out["song"];
      continue;
    }
    UtteranceInfo info;
    info.id = file.stem().string();
    info.source = "ravdess";
    info.source_label = kLabels[name->emotion - 1].source;
    info.transcript = kStatements[name->statement - 1];
    info.speaker = fmt::format("Actor_{:02}", name->actor);
    info.gender = name->actor % 2 == 1 ? "male" : "female";
    info.age_group = "young adult";  // 21 to 33 years, per the paper
    info.language = "en";
    info.extra = make_extra({{"intensity", name->intensity == 1 ? "normal" : "strong"},
                             {"statement", name->statement},
                             {"repetition", name->repetition}},
                            file, request.root);
    plan.utterances.push_back({std::move(info), file});
  }
  return plan;
}

}  // namespace

Importer ravdess_importer() {
  return {"ravdess", "Actor_01/03-01-05-01-02-01-01.wav … at any depth", kLabels, false, plan_ravdess};
}

}  // namespace prosodia
