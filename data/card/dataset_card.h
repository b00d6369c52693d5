// `data inspect --html`: a dataset card, one HTML page that shows and plays what is in a corpus: counts, prosody levels
// and physical distributions for each emotion, samples with waveform, pitch and energy, leakage and missing values.
//
// Called by: the command. Thread rule: pure functions but for the file. Failure rule: as corpus.h. Deterministic.
#pragma once

#include <filesystem>
#include <string>

#include "data/base/status.h"
#include "data/corpus/corpus.h"

namespace prosodia {

struct CardOptions {
  int samples = 18;  // to hear, in all, spread over the emotions; >= 0. One of 3 s takes about 130 kB
};

Result<std::string> dataset_card_html(const CorpusReader& corpus, const CardOptions& options);

// The page as a file, replaced atomically.
Status write_dataset_card(const CorpusReader& corpus, const CardOptions& options, const std::filesystem::path& path);

}  // namespace prosodia
