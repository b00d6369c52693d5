// A corpus with, for every utterance, the levels that claims are checked against, and the row that every set starts
// from.
//
// Called by: the sets of this folder. Thread rule: immutable once opened; reading audio as corpus.h.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/corpus/corpus.h"
#include "data/corpus/dataset.h"

namespace prosodia {

struct BuildOptions;

// Where a row comes from, beyond the utterance: its `source` object.
struct RowSource {
  std::string writer;                // of the text: "template", "grammar:small", "model:NAME" …
  std::vector<std::string> changed;  // on purpose: "speed: normal -> fast", "pitch: left out", "audio: …"
};

class LabelledCorpus {
 public:
  static Result<std::unique_ptr<LabelledCorpus>> open(const BuildOptions& options);

  const CorpusReader& reader() const { return *reader_; }
  const UtteranceInfo& info(size_t index) const { return reader_->info(index); }
  const ProsodyLevels& truth(size_t index) const { return truth_[index]; }
  const std::vector<size_t>& train() const { return train_; }
  const std::vector<size_t>& test() const { return test_; }
  const std::vector<std::string>& notes() const { return notes_; }

  // messages, audios, solution (the emotion), prosody, prosody_source, emotion, speaker, transcript, id, source.
  nlohmann::ordered_json row(size_t index, const std::vector<Message>& messages, const RowSource& source) const;

 private:
  explicit LabelledCorpus(std::unique_ptr<CorpusReader> reader) : reader_(std::move(reader)) {}
  void choose_sources(const BuildOptions& options);
  void choose_stress_source(const BuildOptions& options);
  ProsodyLevels truth_of(const UtteranceInfo& info) const;

  std::unique_ptr<CorpusReader> reader_;
  std::string audio_prefix_;  // "../corpus.h5#"
  std::string name_;          // of the corpus, for utterances that do not say their own
  std::vector<ProsodyLevels> truth_;
  std::vector<size_t> train_, test_;
  std::map<Attribute, bool> is_measured_;
  std::vector<std::string> notes_;
};

// Those of `pool` whose emotion is known.
std::vector<size_t> with_emotion(const LabelledCorpus& corpus, const std::vector<size_t>& pool);

}  // namespace prosodia
