// CREMA-D (Cao et al. 2014): AudioWAV/1001_IEO_NEU_XX.wav; optional VideoDemographics.csv (age and sex of the actors),
// processedResults/tabulatedVotes.csv (the crowd's votes for each clip) and summaryTable.csv (their majority).
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "data/base/number.h"
#include "data/importers/importer.h"
#include "data/importers/release_tree.h"
#include "data/importers/text.h"

namespace prosodia {
namespace fs = std::filesystem;
namespace {

// Six for what was intended, six for what was voted.
constexpr LabelRule kLabels[] = {
    {"ANG", "anger", "angry"},
    {"DIS", "disgust", "contempt or disgust"},
    {"FEA", "fear", "fear"},
    {"HAP", "happy", "happy"},
    {"NEU", "neutral", "neutral"},
    {"SAD", "sad", "sad"},
    {"A", "anger", "angry"},
    {"D", "disgust", "contempt or disgust"},
    {"F", "fear", "fear"},
    {"H", "happy", "happy"},
    {"N", "neutral", "neutral"},
    {"S", "sad", "sad"},
    {"tie", "tie", "", "several emotions have the most votes"},
};
constexpr size_t kIntendedCount = 6;

struct Sentence {
  std::string_view code, text;
};
constexpr Sentence kSentences[] = {
    {"IEO", "It's eleven o'clock."},
    {"TIE", "That is exactly what happened."},
    {"IOM", "I'm on my way to the meeting."},
    {"IWW", "I wonder what this is about."},
    {"TAI", "The airplane is almost full."},
    {"MTI", "Maybe tomorrow it will be cold."},
    {"IWL", "I would like a new alarm clock."},
    {"ITH", "I think I have a doctor's appointment."},
    {"DFA", "Don't forget a jacket."},
    {"ITS", "I think I've seen this before."},
    {"TSI", "The surface is slick."},
    {"WSI", "We'll stop in a couple of minutes."},
};

struct Actor {
  int age = -1;
  std::string gender;
};

struct Tables {
  std::map<std::string, Actor> actors;
  std::map<std::string, nlohmann::json> votes;  // clip -> {"voice": {"A": 0, …}, "face": …, "audiovisual": …}
  std::map<std::string, std::string> voice_majority;  // clip -> "N", or "A:D" for a tie
};

Status read_actors(const fs::path& file, const fs::path& root, Tables& tables, ImportPlan& plan) {
  PROSODIA_ASSIGN(const CsvTable table, read_release_table(file, root, ',', plan));
  PROSODIA_ASSIGN(const size_t id, table.column("ActorID", file.string()));
  PROSODIA_ASSIGN(const size_t age, table.column("Age", file.string()));
  PROSODIA_ASSIGN(const size_t sex, table.column("Sex", file.string()));
  for (const CsvTable::Row& row : table.rows) {
    Actor& actor = tables.actors[row.fields[id]];
    actor.age = parse_integer<int>(row.fields[age]).value_or(-1);
    actor.gender = lower_ascii(row.fields[sex]);
    if (actor.gender != "male" && actor.gender != "female") actor.gender.clear();
  }
  return {};
}

// A row's number begins with 1 for the voice alone, 2 for the face, 3 for both.
Status read_votes(const fs::path& file, const fs::path& root, Tables& tables, ImportPlan& plan) {
  constexpr std::string_view kPresentations[] = {"voice", "face", "audiovisual"};
  PROSODIA_ASSIGN(const CsvTable table, read_release_table(file, root, ',', plan));
  PROSODIA_ASSIGN(const size_t clip, table.column("fileName", file.string()));
  PROSODIA_ASSIGN(const size_t majority, table.column("emoVote", file.string()));
  std::map<std::string, size_t> letters;
  for (const char* letter : {"A", "D", "F", "H", "N", "S"}) {
    PROSODIA_ASSIGN(letters[letter], table.column(letter, file.string()));
  }
  for (const CsvTable::Row& row : table.rows) {
    const std::string& number = row.fields[0];
    nlohmann::json counts;
    for (const auto& [letter, column] : letters) {
      if (const auto count = parse_integer<int>(row.fields[column])) counts[letter] = *count;
    }
    if (number.empty() || number[0] < '1' || number[0] > '3' || counts.size() != letters.size()) {
      plan.problems.push_back({fmt::format("{}:{}", shown_path(file, root), row.line),
                               "malformed row: expected a number that begins with 1, 2 or 3, and six counts"});
      continue;
    }
    tables.votes[row.fields[clip]][std::string(kPresentations[number[0] - '1'])] = std::move(counts);
    if (number[0] == '1') tables.voice_majority[row.fields[clip]] = row.fields[majority];
  }
  return {};
}

Status read_summary(const fs::path& file, const fs::path& root, Tables& tables, ImportPlan& plan) {
  PROSODIA_ASSIGN(const CsvTable table, read_release_table(file, root, ',', plan));
  PROSODIA_ASSIGN(const size_t clip, table.column("FileName", file.string()));
  PROSODIA_ASSIGN(const size_t majority, table.column("VoiceVote", file.string()));
  for (const CsvTable::Row& row : table.rows) tables.voice_majority[row.fields[clip]] = row.fields[majority];
  return {};
}

Result<Tables> read_tables(const std::vector<fs::path>& files, const fs::path& root, ImportPlan& plan) {
  Tables tables;
  for (const auto& file : files) {
    const std::string name = file.filename().string();
    if (name == "VideoDemographics.csv") PROSODIA_TRY(read_actors(file, root, tables, plan));
    if (name == "tabulatedVotes.csv") PROSODIA_TRY(read_votes(file, root, tables, plan));
    if (name == "summaryTable.csv") PROSODIA_TRY(read_summary(file, root, tables, plan));
  }
  if (tables.actors.empty()) plan.notes.emplace_back("no VideoDemographics.csv: gender and age are not known");
  if (tables.votes.empty()) plan.notes.emplace_back("no tabulatedVotes.csv: the listeners' votes are not there");
  return tables;
}

// The reason why not, or "".
std::string parse_name(const std::string& stem, UtteranceInfo& info, nlohmann::json& extra) {
  const auto parts = split_at(stem, '_');
  if (parts.size() != 4) return "wrong name: expected 1001_IEO_NEU_XX";
  const auto actor = parse_integer<int>(parts[0]);
  if (!actor || *actor < 1001 || *actor > 1091) return fmt::format("wrong name: no actor \"{}\"", parts[0]);
  const auto sentence =
      std::find_if(std::begin(kSentences), std::end(kSentences), [&](const Sentence& s) { return s.code == parts[1]; });
  if (sentence == std::end(kSentences)) return fmt::format("wrong name: no sentence \"{}\"", parts[1]);
  const auto label = std::find_if(std::begin(kLabels), std::begin(kLabels) + kIntendedCount,
                                  [&](const LabelRule& rule) { return rule.source == parts[2]; });
  if (label == std::begin(kLabels) + kIntendedCount) return fmt::format("wrong name: no emotion \"{}\"", parts[2]);
  info.speaker = parts[0];
  info.transcript = sentence->text;
  info.source_label = parts[2];
  extra = {{"sentence", sentence->code}, {"intended", info.source_label}, {"level", std::string(parts[3])}};
  return {};
}

void add_tables(const Tables& tables, UtteranceInfo& info, nlohmann::json& extra) {
  if (const auto actor = tables.actors.find(info.speaker); actor != tables.actors.end()) {
    info.gender = actor->second.gender;
    info.age_group = age_group(actor->second.age);
    if (actor->second.age >= 0) extra["age"] = actor->second.age;
  }
  if (const auto votes = tables.votes.find(info.id); votes != tables.votes.end()) extra["votes"] = votes->second;
  if (const auto vote = tables.voice_majority.find(info.id); vote != tables.voice_majority.end()) {
    extra["voice_majority"] = vote->second;
  }
}

Result<ImportPlan> plan_crema_d(const PlanRequest& request) {
  PROSODIA_ASSIGN(const auto files, list_files(request.root));
  ImportPlan plan;
  PROSODIA_ASSIGN(const Tables tables, read_tables(files, request.root, plan));
  const bool voted = request.crema_d_labels == CremaDLabels::kVoted;
  if (voted && tables.voice_majority.empty()) {
    return fail(ErrorCode::kInvalidInput,
                "{}: --crema_d_labels voted needs processedResults/summaryTable.csv or tabulatedVotes.csv",
                request.root.string());
  }
  for (const auto& file : files) {
    if (!is_audio_name(file)) continue;
    UtteranceInfo info;
    nlohmann::json extra;
    info.id = file.stem().string();
    std::string reason = parse_name(info.id, info, extra);
    const auto vote = tables.voice_majority.find(info.id);
    if (reason.empty() && voted && vote == tables.voice_majority.end()) reason = "no label: no vote in the tables";
    if (!reason.empty()) {
      plan.problems.push_back({shown_path(file, request.root), std::move(reason)});
      continue;
    }
    if (voted) info.source_label = vote->second.find(':') == std::string::npos ? vote->second : "tie";
    info.source = "crema-d";
    info.language = "en";
    add_tables(tables, info, extra);
    info.extra = make_extra(std::move(extra), file, request.root);
    plan.utterances.push_back({std::move(info), file});
  }
  return plan;
}

}  // namespace

Importer crema_d_importer() {
  return {"crema-d", "AudioWAV/1001_IEO_NEU_XX.wav … and, optional, VideoDemographics.csv, processedResults/*.csv",
          kLabels, false, plan_crema_d};
}

}  // namespace prosodia
