// One importer a speech corpus: it reads the layout of the official release and plans what there is to import, before
// any sound is decoded. What they share (label map, splits, decoding, the corpus file) is in import.h.
//
// Called by: import.cc. Thread rule: pure functions of the files under the root.
//
// Failure rule: a root that is not this release (missing label file, no audio) is an Error and says what was expected;
// a single bad file (wrong name, no label) becomes a problem of the plan and the rest goes on.
#pragma once

#include <filesystem>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/corpus/corpus.h"
#include "data/importers/label_map.h"

namespace prosodia {

struct PlannedUtterance {
  UtteranceInfo info;           // all but emotion (from source_label by the label map) and, mostly, split
  std::filesystem::path audio;  // absolute or relative to the working directory
};

struct ImportProblem {
  std::string file;    // relative to the root where it is under it; "FILE:LINE" for a row of a table
  std::string reason;  // "truncated: …", "no label: …"
};

struct ImportPlan {
  std::vector<PlannedUtterance> utterances;
  std::vector<ImportProblem> problems;
  std::map<std::string, int> left_out;  // what the release holds and is deliberately not speech to import -> count
  std::vector<std::string> notes;       // for people: "no transcripts in this release"
  bool has_official_split = false;      // infos carry the release's own split
};

enum class CremaDLabels { kIntended, kVoted };  // what the actor was asked for; what the listeners of the voice heard

struct PlanRequest {
  std::filesystem::path root;  // an existing folder; jsonl: or one file
  CremaDLabels crema_d_labels = CremaDLabels::kIntended;
  bool transcripts_given = false;  // by --transcripts: a release without them need not say so
};

struct Importer {
  std::string_view format;  // the word after --format and UtteranceInfo::source
  std::string_view layout;  // what is expected under the root, one line
  std::span<const LabelRule> labels;
  bool open_labels;  // labels that no rule names are left out and counted; else they are problems
  Result<ImportPlan> (*plan)(const PlanRequest& request);
};

std::span<const Importer> importers();
const Importer* find_importer(std::string_view format);  // null when there is none

Importer ravdess_importer();
Importer savee_importer();
Importer emodb_importer();
Importer iemocap_importer();
Importer meld_importer();
Importer crema_d_importer();
Importer jsonl_importer();

// The level of Attribute::kAge for an age in years: child to 12, teenager to 19, young adult to 39, middle-aged to 59.
std::string age_group(int years);

// `extra` of an utterance: `fields` (an object) and, unless it is there, "path": the file relative to the root.
std::string make_extra(nlohmann::json fields, const std::filesystem::path& audio, const std::filesystem::path& root);

}  // namespace prosodia
