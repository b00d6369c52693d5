// `data annotate`: the prosody of every utterance of a corpus, measured from the signal in physical units and then
// calibrated to levels within the corpus (two passes). Emotion, speaker, split and everything else that is not prosody
// stay as they are; gender and age group become levels where they are known.
//
// Word times are taken from a sidecar (word_sidecar.h), else from the corpus unless it has estimates only, else they
// are estimated (word_times.h); a transcript of one or two words has no stress.
//
// Called by: the command. Thread rule: blocking, starts `jobs` threads of its own. Deterministic: the same corpus and
// options give the same file, to the byte, whatever `jobs` is; annotating twice changes nothing.
//
// Failure rule: as corpus.h, and a broken sidecar is kInvalidInput with file and line. A quantity that a clip does not
// determine is empty and counted with its reason in the report. Durability: as CorpusWriter; with `out` empty or equal
// to `corpus` the new file replaces the old one when it is complete. After an error, or when asked to stop
// (kInterrupted), nothing has changed and no file is left behind.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include "data/base/status.h"
#include "data/prosody/calibration.h"
#include "data/prosody/stress.h"

namespace prosodia {

struct AnnotateOptions {
  std::filesystem::path corpus, out;  // `out` empty: in place
  std::filesystem::path word_times;   // empty: none
  std::string language;               // of utterances that say none, for speed and words; "": stay undetermined
  CalibrationOptions calibration;
  StressOptions stress;
  int jobs = 0;                                          // threads; 0: one a core
  std::function<void(int done, int total)> on_progress;  // from the calling thread; may be empty
  std::function<bool()> stop_requested;                  // from the calling thread; may be empty
};

struct AnnotateReport {
  struct AttributeCounts {
    std::map<std::string, int> levels;        // level -> utterances
    std::map<std::string, int> undetermined;  // reason -> utterances
  };
  int utterances = 0;
  double audio_seconds = 0, wall_seconds = 0;
  int jobs = 0;
  std::map<Attribute, AttributeCounts> attributes;  // kAcousticAttributes, gender and age
  CalibrationTable calibration;
  int timed_words = 0, estimated_words = 0, stressed_words = 0;
  std::map<std::string, int> without_stress;       // reason -> utterances
  int clipped = 0;                                 // utterances whose energy is a lower bound
  int stress_controlled = 0, stress_agreeing = 0;  // utterances with controlled stress; with the same measured
  std::string to_text() const;                     // for people
};

Result<AnnotateReport> annotate_corpus(const AnnotateOptions& options);

}  // namespace prosodia
