// Reasoning written by a model: it is told the measured cues, the transcript and the label, and asked to explain. What
// comes back is checked; a bad text is asked for again, and in the end the grammar's text takes its place.
//
// The model and the checks come from outside, because this folder knows neither the engine nor the faithfulness parser.
//
// Called by: the command. Thread rule: single thread. Failure rule: as `generate` fails.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "data/builders/reasoning_writer.h"
#include "data/corpus/dataset.h"

namespace prosodia {

// One response for each conversation, in order, sampled with `seed`.
using GenerateTexts =
    std::function<Result<std::vector<std::string>>(const std::vector<std::vector<Message>>& prompts, uint64_t seed)>;
// Why the response cannot be used ("no answer", "a claim contradicts the cues"), in a few words that are counted;
// nothing when it can.
using FindObjection = std::function<std::optional<std::string>(std::string_view response, const ReasoningRequest&)>;

struct ModelWriterOptions {
  std::string name;  // of the model, for the rows
  int retries = 2;   // further attempts for a text that was objected to, >= 0
  uint64_t seed = 0;
};

class ModelWriter : public ReasoningWriter {
 public:
  ModelWriter(ModelWriterOptions options, GenerateTexts generate, FindObjection find_objection)
      : options_(std::move(options)), generate_(std::move(generate)), find_objection_(std::move(find_objection)) {}
  Result<std::vector<WrittenReasoning>> write(std::span<const ReasoningRequest> requests) override;
  std::string summary() const override;

 private:
  ModelWriterOptions options_;
  GenerateTexts generate_;
  FindObjection find_objection_;
  uint64_t batch_ = 0;
  int by_model_ = 0, by_grammar_ = 0, attempts_ = 0;
  std::map<std::string, int> objections_;  // reason -> how often
};

// What the model is asked. It is to answer with <think>…</think><answer>LABEL</answer>.
std::vector<Message> writing_prompt(const ReasoningRequest& request);

}  // namespace prosodia
