// rl.jsonl and eval.jsonl: the question about the emotion, without an answer.
#include "data/builders/prompts.h"
#include "data/builders/sets.h"

namespace prosodia {

Status write_prompt_set(const LabelledCorpus& corpus, const BuildOptions& options, const std::vector<size_t>& pool,
                        const RowSink& sink) {
  for (size_t index : with_emotion(corpus, pool)) {
    PROSODIA_TRY(sink(corpus.row(index, emotion_prompt(options.prompt_style), {.writer = "template"})));
  }
  return {};
}

}  // namespace prosodia
