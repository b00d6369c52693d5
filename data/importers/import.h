// `data import`: the official release of an emotional speech corpus into one HDF5 corpus: labels in the nine emotions,
// transcripts, speakers, splits without speaker overlap, audio at 16 kHz.
//
// Called by: the command. Thread rule: blocking, starts `jobs` threads of its own; one call a target at a time (a
// second one gets kUnavailable). Deterministic: the same release and options give the same file, to the byte, whatever
// `jobs` is and however often it was interrupted.
//
// Durability: what is decoded is kept in OUT.partial until the corpus is there; the same call goes on from it. The
// corpus and its report (OUT.import.json) appear whole or not at all.
//
// Failure rule: bad files are counted and named in the report, and the rest is imported. Errors are: a root that is not
// this release or of which nothing can be imported, any bad file under `strict` (kInvalidInput), options (kUsage), a
// failing disk (kStorage), a stop (kInterrupted).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "data/importers/importer.h"
#include "data/importers/splits.h"

namespace prosodia {

inline constexpr double kMinImportSeconds = 0.1;  // shorter clips carry no word; they are bad files

struct ImportOptions {
  std::string format;                  // a name of importers()
  std::filesystem::path root;          // folder of the release
  std::filesystem::path out;           // the corpus to write, replaced when it exists
  std::vector<std::string> label_map;  // "calm=neutral", "boredom=-"
  CremaDLabels crema_d_labels = CremaDLabels::kIntended;
  std::filesystem::path transcripts;  // optional: lines of ID, tab, text; ID may lack what stands before its first '_'
  SplitOptions splits;
  int jobs = 0;                                                // decoding threads; 0: one a core
  bool strict = false;                                         // any bad file is an error, and no corpus is written
  std::function<void(size_t done, size_t total)> on_progress;  // from the calling thread; may be empty
  std::function<bool()> stop_requested;                        // from the calling thread; may be empty
};

struct ImportReport {
  std::string format;
  std::filesystem::path root, out, json;  // json: the report file
  struct Label {
    std::string source, english, emotion, reason;  // emotion "": left out
    int utterances = 0;                            // that have it
  };
  std::vector<Label> labels;
  size_t imported = 0, resumed = 0;  // utterances; files that an earlier call had decoded
  double audio_seconds = 0;          // imported
  std::map<std::string, int> left_out;
  std::vector<ImportProblem> problems;
  struct Split {
    int utterances = 0;
    std::vector<std::string> speakers;
  };
  std::array<Split, kSplitNames.size()> splits;  // of what was imported
  std::vector<std::string> notes;

  std::string to_text(size_t max_problems) const;  // for people
  std::string to_json() const;                     // the report file: all problems, and no times, so that it repeats
};

Result<ImportReport> import_corpus(const ImportOptions& options);

}  // namespace prosodia
