// EMO-DB (Burkhardt et al. 2005, "A Database of German Emotional Speech"): wav/03a01Fa.wav, and erkennung.txt with
// what share of the listeners recognised each utterance and found it natural.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "data/base/number.h"
#include "data/importers/importer.h"
#include "data/importers/release_tree.h"
#include "data/importers/text.h"

namespace prosodia {
namespace {

constexpr LabelRule kLabels[] = {
    {"Wut", "anger", "angry"},
    {"Langeweile", "boredom", "", "none of the nine"},
    {"Ekel", "disgust", "contempt or disgust"},
    {"Angst", "fear", "fear"},
    {"Freude", "happiness", "happy"},
    {"Trauer", "sadness", "sad"},
    {"neutral", "neutral", "neutral"},
};
constexpr std::string_view kLetters = "WLEAFTN";  // in the names, in the order of kLabels

struct Speaker {
  std::string_view code, gender;
  int age;
};
constexpr Speaker kSpeakers[] = {
    {"03", "male", 31}, {"08", "female", 34}, {"09", "female", 21}, {"10", "male", 32}, {"11", "male", 26},
    {"12", "male", 30}, {"13", "female", 32}, {"14", "female", 35}, {"15", "male", 25}, {"16", "female", 31},
};

struct Sentence {
  std::string_view code, text;
};
constexpr Sentence kSentences[] = {
    {"a01", "Der Lappen liegt auf dem Eisschrank."},
    {"a02", "Das will sie am Mittwoch abgeben."},
    {"a04", "Heute abend könnte ich es ihm sagen."},
    {"a05", "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück."},
    {"a07", "In sieben Stunden wird es soweit sein."},
    {"b01", "Was sind denn das für Tüten, die da unter dem Tisch stehen?"},
    {"b02", "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter."},
    {"b03", "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht."},
    {"b09", "Ich will das eben wegbringen und dann mit Karl was trinken gehen."},
    {"b10", "Die wird auf dem Platz sein, wo wir sie immer hinlegen."},
};

template <class Row, size_t N>
const Row* find_code(const Row (&rows)[N], std::string_view code) {
  const auto found = std::find_if(std::begin(rows), std::end(rows), [&](const Row& row) { return row.code == code; });
  return found == std::end(rows) ? nullptr : found;
}

struct Recognition {
  double recognised_percent = 0, natural_percent = 0;
};

// "65,00     " -> 65; the file pads with no-break spaces.
std::optional<double> german_number(std::string_view text) {
  std::string number = clean_transcript(text);
  std::replace(number.begin(), number.end(), ',', '.');
  return parse_number(number);
}

// By file name without its extension.
Result<std::map<std::string, Recognition>> read_recognition(const std::filesystem::path& file,
                                                            const std::filesystem::path& root, ImportPlan& plan) {
  PROSODIA_ASSIGN(const CsvTable table, read_release_table(file, root, '\t', plan));
  PROSODIA_ASSIGN(const size_t name, table.column("Satz", file.string()));
  PROSODIA_ASSIGN(const size_t recognised, table.column("erkannt", file.string()));
  PROSODIA_ASSIGN(const size_t natural, table.column("natuerlich", file.string()));
  std::map<std::string, Recognition> result;
  for (const CsvTable::Row& row : table.rows) {
    const auto recognised_percent = german_number(row.fields[recognised]);
    const auto natural_percent = german_number(row.fields[natural]);
    if (!recognised_percent || !natural_percent) {
      plan.problems.push_back({fmt::format("{}:{}", shown_path(file, root), row.line),
                               "malformed row: expected percentages such as 65,00"});
      continue;
    }
    const std::string key = std::filesystem::path(clean_transcript(row.fields[name])).stem().string();
    result[key] = {*recognised_percent, *natural_percent};
  }
  return result;
}

// The reason why not, or "".
std::string parse_name(const std::string& stem, UtteranceInfo& info, nlohmann::json& extra) {
  if (stem.size() != 7) return "wrong name: expected SStttEv such as 03a01Fa";
  const Speaker* speaker = find_code(kSpeakers, stem.substr(0, 2));
  const Sentence* sentence = find_code(kSentences, stem.substr(2, 3));
  const size_t label = kLetters.find(stem[5]);
  if (speaker == nullptr) return fmt::format("wrong name: no speaker \"{}\" in EMO-DB", stem.substr(0, 2));
  if (sentence == nullptr) return fmt::format("wrong name: no sentence \"{}\" in EMO-DB", stem.substr(2, 3));
  if (label == kLetters.npos) return fmt::format("wrong name: no emotion '{}'; expected one of {}", stem[5], kLetters);
  info.source_label = kLabels[label].source;
  info.transcript = sentence->text;
  info.speaker = speaker->code;
  info.gender = speaker->gender;
  info.age_group = age_group(speaker->age);
  extra = {{"sentence", sentence->code}, {"version", std::string(1, stem[6])}, {"age", speaker->age}};
  return {};
}

Result<ImportPlan> plan_emodb(const PlanRequest& request) {
  PROSODIA_ASSIGN(const auto files, list_files(request.root));
  ImportPlan plan;
  std::map<std::string, Recognition> recognition;
  for (const auto& file : files) {
    if (lower_ascii(file.filename().string()) != "erkennung.txt") continue;
    PROSODIA_ASSIGN(recognition, read_recognition(file, request.root, plan));
  }
  for (const auto& file : files) {
    if (!is_audio_name(file)) continue;
    UtteranceInfo info;
    nlohmann::json extra;
    info.id = file.stem().string();
    if (std::string reason = parse_name(info.id, info, extra); !reason.empty()) {
      plan.problems.push_back({shown_path(file, request.root), std::move(reason)});
      continue;
    }
    info.source = "emodb";
    info.language = "de";
    if (const auto found = recognition.find(info.id); found != recognition.end()) {
      extra["recognised_percent"] = found->second.recognised_percent;
      extra["natural_percent"] = found->second.natural_percent;
    }
    info.extra = make_extra(std::move(extra), file, request.root);
    plan.utterances.push_back({std::move(info), file});
  }
  if (recognition.empty()) plan.notes.emplace_back("no erkennung.txt: the listeners' recognition rates are not there");
  return plan;
}

}  // namespace

Importer emodb_importer() {
  return {"emodb", "wav/03a01Fa.wav … and, optional, erkennung.txt", kLabels, false, plan_emodb};
}

}  // namespace prosodia
