// JSONL, the form of the paper's labelling pipeline: a row an utterance, {"audio_path":…, "transcription":…,
// "emotion":…} and, optional, id, speaker, gender, age (years or a group), language, split; every other key goes into
// `extra`. The root is one file or a folder with *.jsonl; audio paths are relative to their file.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "data/base/json.h"
#include "data/importers/importer.h"
#include "data/importers/release_tree.h"
#include "data/importers/text.h"
#include "data/prosody/levels.h"

namespace prosodia {
namespace fs = std::filesystem;
namespace {

constexpr LabelRule kLabels[] = {
    {"neutral", "neutral", "neutral"},
    {"happy", "happy", "happy"},
    {"happiness", "happiness", "happy"},
    {"joy", "joy", "happy"},
    {"sad", "sad", "sad"},
    {"sadness", "sadness", "sad"},
    {"angry", "angry", "angry"},
    {"anger", "anger", "angry"},
    {"contempt or disgust", "contempt or disgust", "contempt or disgust"},
    {"contempt", "contempt", "contempt or disgust"},
    {"disgust", "disgust", "contempt or disgust"},
    {"disgusted", "disgusted", "contempt or disgust"},
    {"confused", "confused", "confused"},
    {"confusion", "confusion", "confused"},
    {"whisper", "whisper", "whisper"},
    {"surprise", "surprise", "surprise"},
    {"surprised", "surprised", "surprise"},
    {"fear", "fear", "fear"},
    {"fearful", "fearful", "fear"},
};

// Takes a string away from the row; "" when it is absent or null.
Result<std::string> take_text(nlohmann::json& row, std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const auto found = row.find(name);
    if (found == row.end()) continue;
    const nlohmann::json value = *found;
    row.erase(found);
    if (value.is_null()) return std::string();
    if (value.is_number_integer()) return value.dump();  // speaker 7
    if (!value.is_string()) return fail(ErrorCode::kInvalidInput, "\"{}\" is {}; expected text", name, brief(value));
    return value.get<std::string>();
  }
  return std::string();
}

Result<std::string> split_name(const std::string& text) {
  const std::string split = lower_ascii(text);
  for (const char* name : {"dev", "val", "valid", "validation"}) {
    if (split == name) return std::string("validation");
  }
  if (split.empty() || split == "train" || split == "test") return split;
  return fail(ErrorCode::kInvalidInput, "\"split\" is \"{}\"; expected train, validation or test", text);
}

// What is no level of the attribute stays in `row`, which becomes extra.
void take_gender_and_age(nlohmann::json& row, UtteranceInfo& info) {
  if (const auto found = row.find("gender"); found != row.end() && found->is_string()) {
    const std::string gender = lower_ascii(found->get<std::string>());
    info.gender = gender == "m" || gender == "male" ? "male" : gender == "f" || gender == "female" ? "female" : "";
    if (!info.gender.empty()) row.erase(found);
  }
  const auto age = row.find("age");
  if (age == row.end()) return;
  if (age->is_number()) {  // the years are worth more than their group
    const double years = age->get<double>();
    info.age_group = years >= 0 && years < 200 ? age_group(static_cast<int>(years)) : "";
  } else if (age->is_string() && is_level(Attribute::kAge, lower_ascii(age->get<std::string>()))) {
    info.age_group = lower_ascii(age->get<std::string>());
    row.erase(age);
  }
}

// "clips/a 1.wav" -> "clips_a 1": unique as long as paths are.
std::string id_from_path(const fs::path& audio_path) {
  std::string id = fs::path(audio_path).replace_extension().lexically_normal().relative_path().string();
  std::replace_if(
      id.begin(), id.end(), [](char c) { return c == '/' || c == '#'; }, '_');
  return id;
}

Result<PlannedUtterance> plan_row(nlohmann::json row, const fs::path& file) {
  PlannedUtterance planned;
  UtteranceInfo& info = planned.info;
  PROSODIA_ASSIGN(const std::string audio_path, take_text(row, {"audio_path", "audio"}));
  if (audio_path.empty()) return fail(ErrorCode::kInvalidInput, "no \"audio_path\"");
  PROSODIA_ASSIGN(info.source_label, take_text(row, {"emotion", "label"}));
  if (info.source_label.empty()) return fail(ErrorCode::kInvalidInput, "no label: no \"emotion\"");
  PROSODIA_ASSIGN(const std::string transcript, take_text(row, {"transcription", "transcript", "text"}));
  PROSODIA_ASSIGN(info.id, take_text(row, {"id", "utt_id"}));
  PROSODIA_ASSIGN(info.speaker, take_text(row, {"speaker", "speaker_id"}));
  PROSODIA_ASSIGN(info.language, take_text(row, {"language"}));
  PROSODIA_ASSIGN(const std::string split, take_text(row, {"split"}));
  PROSODIA_ASSIGN(info.split, split_name(split));
  info.transcript = clean_transcript(transcript);
  if (info.id.empty()) info.id = id_from_path(audio_path);
  info.source = "jsonl";
  take_gender_and_age(row, info);
  planned.audio = file.parent_path() / audio_path;
  std::error_code ignored;
  if (!fs::is_regular_file(planned.audio, ignored)) {
    if (is_video_name(planned.audio)) return fail(ErrorCode::kInvalidInput, "no audio: {} is a video", audio_path);
    return fail(ErrorCode::kInvalidInput, "no audio: {} is not there", planned.audio.string());
  }
  if (!row.contains("path")) row["path"] = audio_path;
  info.extra = dump_line(row);
  return planned;
}

Status add_file(const fs::path& file, const fs::path& root, ImportPlan& plan) {
  PROSODIA_ASSIGN(const std::string text, read_release_text(file));
  int line_number = 0;
  for (const std::string_view line : split_lines(text)) {
    ++line_number;
    if (trim_ascii(line).empty()) continue;
    const std::string where = fmt::format("{}:{}", shown_path(file, root), line_number);
    auto row = parse_json_object(line, where);
    if (!row) {
      plan.problems.push_back({where, "malformed row: " + row.error().message});
      continue;
    }
    auto planned = plan_row(std::move(*row), file);
    if (!planned) {
      plan.problems.push_back({where, planned.error().message});
      continue;
    }
    plan.has_official_split |= !planned->info.split.empty();
    plan.utterances.push_back(std::move(*planned));
  }
  return {};
}

Result<ImportPlan> plan_jsonl(const PlanRequest& request) {
  ImportPlan plan;
  std::error_code ignored;
  if (fs::is_regular_file(request.root, ignored)) {
    PROSODIA_TRY(add_file(request.root, request.root.parent_path(), plan));
    return plan;
  }
  PROSODIA_ASSIGN(const auto files, list_files(request.root));
  int tables = 0;
  for (const auto& file : files) {
    if (lower_ascii(file.extension().string()) != ".jsonl") continue;
    ++tables;
    PROSODIA_TRY(add_file(file, request.root, plan));
  }
  if (tables == 0) return fail(ErrorCode::kInvalidInput, "{}: no *.jsonl under it", request.root.string());
  return plan;
}

}  // namespace

Importer jsonl_importer() {
  return {"jsonl", R"(rows {"audio_path": "a.wav", "transcription": "…", "emotion": "happy"} in *.jsonl)", kLabels,
          true, plan_jsonl};
}

}  // namespace prosodia
