// Who writes the reasoning of the cold start, if not the grammar: a model (model_writer.h) or a file of texts that
// somebody else wrote (jsonl_writer.h).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/prosody/levels.h"

namespace prosodia {

enum class Grammar {
  kSmall,   // some forty words and few forms (reasoning_text.h): a model of a million parameters learns it
  kVaried,  // several sentence plans, synonyms, gender, age and stress (varied_grammar.h)
};
constexpr std::string_view name(Grammar grammar) { return grammar == Grammar::kSmall ? "small" : "varied"; }

// One piece of reasoning to write.
struct ReasoningRequest {
  std::string id;            // of the utterance
  std::string transcript;    // may be empty
  std::string language;      // of the transcript; may be empty
  ProsodyLevels cues;        // what is to be stated; empty levels are to be left out
  std::string emotion;       // what is to be concluded
  std::string true_emotion;  // the label; differs from `emotion` under emotion_noise
  std::string draft;         // the grammar's text of all this: what a writer falls back to
  std::string draft_writer;  // "grammar:small"
};

struct WrittenReasoning {
  std::string text;                   // without tags
  std::string emotion;                // concluded
  std::string writer;                 // "grammar:small", "model:NAME", "jsonl:FILE"
  bool is_written_from_cues = false;  // false: by somebody who was not told them

  static WrittenReasoning draft_of(const ReasoningRequest& request) {
    return {request.draft, request.emotion, request.draft_writer, true};
  }
};

// Thread rule: one call at a time.
class ReasoningWriter {
 public:
  virtual ~ReasoningWriter() = default;
  // One text for each request, in order. A text depends on its request and on earlier ones only, so that a smaller set
  // is the beginning of a larger one. kInterrupted when asked to stop.
  virtual Result<std::vector<WrittenReasoning>> write(std::span<const ReasoningRequest> requests) = 0;
  // For the report: how many texts came from where.
  virtual std::string summary() const = 0;
};

}  // namespace prosodia
