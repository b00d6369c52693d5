// Reasoning that somebody else wrote: a JSONL file of {"id":"UTTERANCE","reasoning":"TEXT"}, one object an utterance.
// The text is the inside of <think>…</think>, without tags; the answer is the utterance's label, whatever noise the
// grammar was asked for. Utterances that the file does not name get the grammar's text, and are counted.
//
// Called by: the command. Failure rule: kInvalidInput naming file and line for what is no such object, an empty text,
// one with tags, or an id given twice.
#pragma once

#include <filesystem>
#include <map>
#include <memory>

#include "data/builders/reasoning_writer.h"

namespace prosodia {

class JsonlWriter : public ReasoningWriter {
 public:
  static Result<std::unique_ptr<JsonlWriter>> open(const std::filesystem::path& path);
  Result<std::vector<WrittenReasoning>> write(std::span<const ReasoningRequest> requests) override;
  std::string summary() const override;

 private:
  explicit JsonlWriter(std::string name) : name_(std::move(name)) {}
  std::string name_;  // of the file, without its folder
  std::map<std::string, std::string, std::less<>> texts_;
  int from_file_ = 0, from_grammar_ = 0;
};

}  // namespace prosodia
