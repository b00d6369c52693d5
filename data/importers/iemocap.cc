// IEMOCAP (Busso et al. 2008): SessionN/dialog/EmoEvaluation/DIALOG.txt with the label that most annotators gave each
// turn, dialog/transcriptions/DIALOG.txt, sentences/wav/DIALOG/TURN.wav.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "data/base/number.h"
#include "data/importers/importer.h"
#include "data/importers/release_tree.h"
#include "data/importers/text.h"

namespace prosodia {
namespace fs = std::filesystem;
namespace {

// Excited counts as happy, as in nearly all published results on IEMOCAP (EmotionThinker's among them).
constexpr LabelRule kLabels[] = {
    {"neu", "neutral", "neutral"},
    {"hap", "happiness", "happy"},
    {"exc", "excited", "happy"},
    {"sad", "sadness", "sad"},
    {"ang", "anger", "angry"},
    {"sur", "surprise", "surprise"},
    {"fea", "fear", "fear"},
    {"dis", "disgust", "contempt or disgust"},
    {"fru", "frustration", "", "none of the nine"},
    {"oth", "other", "", "none of the nine"},
    {"xxx", "no agreement", "", "the annotators did not agree"},
};

struct Turn {
  std::string label, file_line;
  nlohmann::json extra;
};
using Turns = std::map<std::string, Turn>;

// "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]"
bool parse_turn(std::string_view line, std::string& id, Turn& turn) {
  const auto fields = split_at(line, '\t');
  if (fields.size() != 4) return false;
  const auto inside = [](std::string_view text) {
    text = trim_ascii(text);
    return text.size() >= 2 && text.front() == '[' && text.back() == ']' ? text.substr(1, text.size() - 2)
                                                                         : std::string_view();
  };
  const auto times = split_at(inside(fields[0]), '-');
  const auto dimensions = split_at(inside(fields[3]), ',');
  if (times.size() != 2 || dimensions.size() != 3) return false;
  const auto start = parse_number(trim_ascii(times[0])), end = parse_number(trim_ascii(times[1]));
  id = trim_ascii(fields[1]);
  turn.label = trim_ascii(fields[2]);
  if (!start || !end || id.empty() || turn.label.empty()) return false;
  turn.extra["start_seconds"] = *start;
  turn.extra["end_seconds"] = *end;
  constexpr std::string_view kNames[] = {"valence", "activation", "dominance"};  // 1 to 5
  for (size_t i = 0; i < dimensions.size(); ++i) {
    const auto value = parse_number(trim_ascii(dimensions[i]));
    if (!value) return false;
    turn.extra[std::string(kNames[i])] = *value;
  }
  return true;
}

// "C-E2:\tNeutral;\t()": what one annotator chose; E: evaluators, F and M: the actors themselves.
void add_annotator(std::string_view line, Turn& turn) {
  const auto fields = split_at(line, '\t');
  if (!fields[0].starts_with("C-") || !fields[0].ends_with(':') || fields.size() < 2) return;
  nlohmann::json& choices = turn.extra["annotators"][std::string(fields[0].substr(2, fields[0].size() - 3))];
  for (const std::string_view choice : split_at(fields[1], ';')) {
    if (!trim_ascii(choice).empty()) choices.push_back(std::string(trim_ascii(choice)));
  }
}

Status read_evaluation(const fs::path& file, const fs::path& root, Turns& turns, ImportPlan& plan) {
  PROSODIA_ASSIGN(const std::string text, read_release_text(file));
  Turn* turn = nullptr;
  int number = 0;
  for (const std::string_view line : split_lines(text)) {
    ++number;
    if (line.starts_with('[')) {
      std::string id;
      Turn parsed;
      parsed.file_line = fmt::format("{}:{}", shown_path(file, root), number);
      if (!parse_turn(line, id, parsed)) {
        plan.problems.push_back(
            {parsed.file_line, "malformed row: expected [START - END], TURN, EMOTION and [V, A, D] with tabs between"});
        turn = nullptr;
        continue;
      }
      turn = &(turns[id] = std::move(parsed));
    } else if (turn != nullptr) {
      add_annotator(line, *turn);
    }
  }
  return {};
}

// "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me."; other lines (remarks, turns without times) do not matter.
Status read_transcripts(const fs::path& file, std::map<std::string, std::string>& transcripts) {
  PROSODIA_ASSIGN(const std::string text, read_release_text(file));
  for (const std::string_view line : split_lines(text)) {
    const size_t space = line.find(' '), colon = line.find("]:");
    if (space == line.npos || colon == line.npos || space + 1 >= line.size() || line[space + 1] != '[') continue;
    transcripts[std::string(line.substr(0, space))] = clean_transcript(line.substr(colon + 2));
  }
  return {};
}

// Without "[LAUGHTER]", "[BREATHING]" and the like, which are no words.
std::string spoken_words(std::string_view transcript) {
  std::string words;
  int depth = 0;
  for (const char c : transcript) {
    depth += c == '[';
    if (depth == 0) words += c;
    if (c == ']' && depth > 0) --depth;
  }
  return clean_transcript(words);
}

// Turn "Ses01F_impro01_F000": session 01, spoken by its woman; "Ses01F" only says who wore the markers.
bool set_speaker(const std::string& id, UtteranceInfo& info) {
  const size_t last = id.rfind('_');
  if (!id.starts_with("Ses") || id.size() < 6 || last == id.npos || last + 1 >= id.size()) return false;
  const char who = id[last + 1];
  if (who != 'F' && who != 'M') return false;
  info.speaker = fmt::format("{}_{}", id.substr(0, 5), who);
  info.gender = who == 'F' ? "female" : "male";
  return true;
}

void plan_turn(const std::string& id, Turn turn, const std::string& transcript, const fs::path& audio,
               const fs::path& root, ImportPlan& plan) {
  UtteranceInfo info;
  info.id = id;
  info.source = "iemocap";
  info.source_label = turn.label;
  info.language = "en";
  info.transcript = spoken_words(transcript);
  if (info.transcript != transcript) turn.extra["transcript_with_events"] = transcript;
  if (!set_speaker(id, info)) {
    plan.problems.push_back({turn.file_line, fmt::format("wrong turn name \"{}\": expected Ses01F_impro01_F000", id)});
    return;
  }
  turn.extra["dialog"] = id.substr(0, id.rfind('_'));
  turn.extra["is_scripted"] = id.find("_script") != std::string::npos;
  info.extra = make_extra(std::move(turn.extra), audio, root);
  plan.utterances.push_back({std::move(info), audio});
}

Result<ImportPlan> plan_iemocap(const PlanRequest& request) {
  PROSODIA_ASSIGN(const auto files, list_files(request.root));
  ImportPlan plan;
  Turns turns;
  std::map<std::string, std::string> transcripts;
  std::map<std::string, fs::path> audio;
  int evaluations = 0;
  for (const auto& file : files) {
    const std::string folder = file.parent_path().filename().string();
    const bool is_text = lower_ascii(file.extension().string()) == ".txt";
    if (is_text && folder == "EmoEvaluation") {
      ++evaluations;
      PROSODIA_TRY(read_evaluation(file, request.root, turns, plan));
    } else if (is_text && folder == "transcriptions") {
      PROSODIA_TRY(read_transcripts(file, transcripts));
    } else if (is_audio_name(file) && file.parent_path().parent_path().filename() == "wav") {
      audio.emplace(file.stem().string(), file);  // sentences/wav/DIALOG/TURN.wav; dialog/wav holds whole dialogs
    }
  }
  if (evaluations == 0) {
    return fail(ErrorCode::kInvalidInput, "{}: no SessionN/dialog/EmoEvaluation/*.txt; is this IEMOCAP_full_release?",
                request.root.string());
  }
  for (auto& [id, turn] : turns) {
    const auto sound = audio.find(id);
    if (sound == audio.end()) {
      plan.problems.push_back({turn.file_line, fmt::format("no audio: sentences/wav/{}/{}.wav is not there",
                                                           id.substr(0, id.rfind('_')), id)});
      continue;
    }
    plan_turn(id, std::move(turn), transcripts[id], sound->second, request.root, plan);
    audio.erase(sound);
  }
  for (const auto& [id, file] : audio) {
    if (!turns.contains(id)) plan.problems.push_back({shown_path(file, request.root), "no label in EmoEvaluation"});
  }
  return plan;
}

}  // namespace

Importer iemocap_importer() {
  return {"iemocap", "Session1/dialog/EmoEvaluation/*.txt, dialog/transcriptions/*.txt, sentences/wav/*/*.wav …",
          kLabels, false, plan_iemocap};
}

}  // namespace prosodia
