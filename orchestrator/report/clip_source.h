// What a run's rows say they play: the sound, and what is known of it. For the page only: whatever cannot be read is
// left out of the page, with the reason, and never fails the report.
//
// Thread rule: one thread. Corpora are opened once.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "data/corpus/audio_store.h"
#include "data/corpus/corpus.h"
#include "orchestrator/report/report_model.h"

namespace prosodia {

class ClipSource {
 public:
  // The utterance's labels when `audio` is "C.h5#id"; null otherwise, or when it cannot be read.
  const UtteranceInfo* info(const std::string& audio);

  // Levels for the groups whose rows have none: from the corpus, else measured from the sound, where pitch, energy and
  // speed become levels only with enough clips to compare with. Transcripts too.
  void complete_levels(std::vector<ShownGroup>& groups, std::vector<std::string>& notes);

  // Player, waveform, pitch and energy of `most` different clips, spread over the groups.
  std::vector<ShownClip> clips(const std::vector<ShownGroup>& groups, size_t most, std::vector<std::string>& notes);

 private:
  Result<ShownClip> clip(const std::string& audio);
  void measure(std::vector<ShownGroup*>& groups, std::vector<std::string>& notes);

  AudioStore store_;
  std::map<std::string, std::unique_ptr<CorpusReader>> corpora_;  // null: cannot be opened
};

}  // namespace prosodia
