// MELD (Poria et al. 2019): train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv and one file an utterance,
// diaX_uttY, in folders whose names say the split (train_splits, dev_splits_complete, output_repeated_splits_test).
// MELD.Raw gives videos; their sound has to be extracted first.
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "data/base/number.h"
#include "data/importers/importer.h"
#include "data/importers/release_tree.h"
#include "data/importers/text.h"

namespace prosodia {
namespace fs = std::filesystem;
namespace {

constexpr LabelRule kLabels[] = {
    {"neutral", "neutral", "neutral"},    {"joy", "joy", "happy"},  {"sadness", "sadness", "sad"},
    {"anger", "anger", "angry"},          {"fear", "fear", "fear"}, {"disgust", "disgust", "contempt or disgust"},
    {"surprise", "surprise", "surprise"},
};

struct Split {
  std::string_view table, word, split;  // file name; what its folder's name holds; ours
};
constexpr std::array<Split, 3> kSplits = {{{"train_sent_emo.csv", "train", "train"},
                                           {"dev_sent_emo.csv", "dev", "validation"},
                                           {"test_sent_emo.csv", "test", "test"}}};

struct Media {
  fs::path audio, video;
};
using MediaByName = std::map<std::string, Media>;  // "train/dia0_utt0"

// The split that the innermost telling folder names; "": none.
std::string_view split_of(const fs::path& file, const fs::path& root) {
  const fs::path relative = file.lexically_relative(root).parent_path();
  for (fs::path rest = root.filename() / relative; !rest.empty(); rest = rest.parent_path()) {
    const std::string folder = lower_ascii(rest.filename().string());
    for (const Split& split : kSplits) {
      if (folder.find(split.word) != std::string::npos) return split.word;
    }
    if (rest == rest.parent_path()) break;
  }
  return {};
}

MediaByName find_media(const std::vector<fs::path>& files, const fs::path& root) {
  MediaByName media;
  for (const fs::path& file : files) {
    const bool audio = is_audio_name(file);
    if (!audio && !is_video_name(file)) continue;
    Media& entry = media[fmt::format("{}/{}", split_of(file, root), file.stem().string())];
    fs::path& slot = audio ? entry.audio : entry.video;
    if (slot.empty()) slot = file;
  }
  return media;
}

struct Columns {
  size_t utterance, speaker, emotion, sentiment, dialogue, number;
  static Result<Columns> find(const CsvTable& table, std::string_view file) {
    Columns c{};
    for (const auto& [name, slot] : {std::pair("Utterance", &c.utterance),
                                     {"Speaker", &c.speaker},
                                     {"Emotion", &c.emotion},
                                     {"Sentiment", &c.sentiment},
                                     {"Dialogue_ID", &c.dialogue},
                                     {"Utterance_ID", &c.number}}) {
      PROSODIA_ASSIGN(*slot, table.column(name, file));
    }
    return c;
  }
};

// The other columns (season, episode, times) as the release has them.
nlohmann::json extra_of(const CsvTable& table, const CsvTable::Row& row, const Columns& columns) {
  nlohmann::json extra = {{"sentiment", row.fields[columns.sentiment]},
                          {"dialogue", row.fields[columns.dialogue]},
                          {"utterance", row.fields[columns.number]}};
  for (const char* name : {"Season", "Episode", "StartTime", "EndTime"}) {
    for (size_t i = 0; i < table.header.size(); ++i) {
      if (table.header[i] == name) extra[lower_ascii(name)] = row.fields[i];
    }
  }
  return extra;
}

class Planner {
 public:
  Planner(const fs::path& root, MediaByName media, ImportPlan& plan)
      : root_(root), media_(std::move(media)), plan_(plan) {}

  Status add_table(const fs::path& file, const Split& split) {
    PROSODIA_ASSIGN(const CsvTable table, read_release_table(file, root_, ',', plan_));
    PROSODIA_ASSIGN(const Columns columns, Columns::find(table, file.string()));
    for (const CsvTable::Row& row : table.rows) add_row(file, split, table, row, columns);
    return {};
  }

  int videos() const { return videos_; }

 private:
  void add_row(const fs::path& file, const Split& split, const CsvTable& table, const CsvTable::Row& row,
               const Columns& columns) {
    const auto problem = [&](std::string reason) {
      plan_.problems.push_back({fmt::format("{}:{}", shown_path(file, root_), row.line), std::move(reason)});
    };
    const std::string& dialogue = row.fields[columns.dialogue];
    const std::string& number = row.fields[columns.number];
    if (!parse_integer(dialogue) || !parse_integer(number)) {
      return problem(fmt::format("malformed row: Dialogue_ID \"{}\", Utterance_ID \"{}\"", dialogue, number));
    }
    const std::string name = fmt::format("dia{}_utt{}", dialogue, number);
    const auto found = media_.find(fmt::format("{}/{}", split.word, name));
    if (found == media_.end()) return problem(fmt::format("no audio: {}.wav is not in a {} folder", name, split.word));
    if (found->second.audio.empty()) {
      ++videos_;
      return problem(fmt::format("{} is a video; extract its sound first", shown_path(found->second.video, root_)));
    }
    if (trim_ascii(row.fields[columns.emotion]).empty()) return problem("no label");
    UtteranceInfo info;
    info.id = fmt::format("{}_{}", split.word, name);
    info.source = "meld";
    info.source_label = lower_ascii(trim_ascii(row.fields[columns.emotion]));
    info.transcript = clean_transcript(row.fields[columns.utterance]);
    info.speaker = clean_transcript(row.fields[columns.speaker]);
    info.language = "en";
    info.split = split.split;
    info.extra = make_extra(extra_of(table, row, columns), found->second.audio, root_);
    plan_.utterances.push_back({std::move(info), found->second.audio});
  }

  const fs::path& root_;
  MediaByName media_;
  ImportPlan& plan_;
  int videos_ = 0;
};

std::string extraction_advice(int videos, const fs::path& root) {
  return fmt::format(
      "{} utterances are there as video only. Extract their sound beside them, then import again:\n"
      "  find '{}' -name '*.mp4' ! -name '._*' -exec sh -c 'ffmpeg -nostdin -loglevel error -n -i \"$1\" -vn -ac 1 "
      "-ar 16000 \"${{1%.mp4}}.wav\"' sh {{}} \\;",
      videos, root.string());
}

Result<ImportPlan> plan_meld(const PlanRequest& request) {
  PROSODIA_ASSIGN(const auto files, list_files(request.root));
  ImportPlan plan;
  plan.has_official_split = true;
  Planner planner(request.root, find_media(files, request.root), plan);
  int tables = 0;
  for (const Split& split : kSplits) {
    bool found = false;
    for (const auto& file : files) {
      if (found || file.filename() != split.table) continue;
      found = true;
      ++tables;
      PROSODIA_TRY(planner.add_table(file, split));
    }
    if (!found) plan.notes.push_back(fmt::format("no {}: its split is not imported", split.table));
  }
  if (tables == 0) {
    return fail(ErrorCode::kInvalidInput,
                "{}: none of train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv is there; is this MELD?",
                request.root.string());
  }
  if (planner.videos() > 0) plan.notes.push_back(extraction_advice(planner.videos(), request.root));
  plan.notes.emplace_back("MELD's official split has the same actors in all three parts");
  return plan;
}

}  // namespace

Importer meld_importer() {
  return {"meld", "train_sent_emo.csv, dev_sent_emo.csv, test_sent_emo.csv and train…/, dev…/, test…/diaX_uttY.wav",
          kLabels, false, plan_meld};
}

}  // namespace prosodia
