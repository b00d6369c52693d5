// The sets of `data build`, one function and one file a set. Each hands its rows to the sink in order and stops at its
// first error; what they write is described in build.h.
//
// Called by: build.cc. Thread rule: single thread, but for the comparative set's audio.
#pragma once

#include <string>
#include <vector>

#include "data/base/philox.h"
#include "data/builders/build.h"
#include "data/builders/labelled_corpus.h"
#include "data/builders/row_file.h"
#include "data/corpus/corpus.h"

namespace prosodia {

Status write_prosody_set(const LabelledCorpus& corpus, const BuildOptions& options, const RowSink& sink);
Status write_prosody_eval_set(const LabelledCorpus& corpus, const BuildOptions& options, const RowSink& sink);
Status write_stress_set(const LabelledCorpus& corpus, const BuildOptions& options, const RowSink& sink);
Status write_coldstart_set(const LabelledCorpus& corpus, const BuildOptions& options, const RowSink& sink);
// One row an utterance whose emotion is known.
Status write_prompt_set(const LabelledCorpus& corpus, const BuildOptions& options, const std::vector<size_t>& pool,
                        const RowSink& sink);

enum class Part { kTrain, kEval };

inline constexpr std::string_view kComparativeCorpus = "comparative.h5";

// Rows refer to clips that go to `audio`; null: no audio is made (the rows are the same).
Status write_comparative_set(const LabelledCorpus& corpus, const BuildOptions& options, Part part, CorpusWriter* audio,
                             const RowSink& sink);

Status write_reward_model_set(const LabelledCorpus& corpus, const BuildOptions& options, Part part,
                              const RowSink& sink);

// Streams of the seed, one a set, so that the size of one set does not change another.
enum class SetStream : uint64_t {
  kProsody,
  kColdstart,
  kProsodyEval,
  kStress,
  kComparative,
  kComparativeEval,
  kRewardModel,
  kRewardModelEval,
};
PhiloxStream set_stream(const BuildOptions& options, SetStream set);

}  // namespace prosodia
