#include "data/builders/model_writer.h"

#include <algorithm>
#include <numeric>

#include "data/base/philox.h"

namespace prosodia {
namespace {

// The text between <think> and </think> of a response that was found well-formed.
std::string inside_think(std::string_view response) {
  static constexpr std::string_view kOpen = "<think>", kClose = "</think>";
  const size_t open = response.find(kOpen), close = response.find(kClose);
  if (open == response.npos || close == response.npos || close < open) return "";
  const std::string_view text = response.substr(open + kOpen.size(), close - open - kOpen.size());
  const size_t first = text.find_first_not_of(" \t\r\n"), last = text.find_last_not_of(" \t\r\n");
  return first == text.npos ? "" : std::string(text.substr(first, last - first + 1));
}

std::string cue_lines(const ProsodyLevels& cues) {
  std::string lines;
  for (Attribute attribute : kAttributes) {
    if (!cues[attribute].empty()) lines += fmt::format("- {}: {}\n", attribute_name(attribute), cues[attribute]);
  }
  return lines;
}

}  // namespace

std::vector<Message> writing_prompt(const ReasoningRequest& request) {
  std::string content = "An utterance was measured. Its prosody:\n" + cue_lines(request.cues);
  if (!request.transcript.empty()) {
    content += fmt::format("Its words{}: \"{}\"\n",
                           request.language.empty() || request.language == "en"
                               ? std::string()
                               : fmt::format(" (language {})", request.language),
                           request.transcript);
  }
  content += fmt::format(
      "The emotion is: {}\nExplain in two to five sentences, as somebody who only hears the audio, how the speaker, "
      "the "
      "prosody and the words lead to this emotion. State the measured cues as they are and no other. Write "
      "<think>EXPLANATION</think><answer>{}</answer> and nothing else.",
      request.emotion, request.emotion);
  return {{"system", "You explain which emotion is heard in speech, and why."}, {"user", std::move(content)}};
}

// Attempt after attempt, those still without a text. The place of a request in an attempt depends on the requests
// before it alone, and so does its text.
Result<std::vector<WrittenReasoning>> ModelWriter::write(std::span<const ReasoningRequest> requests) {
  std::vector<WrittenReasoning> written(requests.size());
  std::vector<size_t> open(requests.size());
  std::iota(open.begin(), open.end(), size_t{0});
  const uint64_t batch_seed = mix_seed(options_.seed, batch_++);
  for (int attempt = 0; attempt <= options_.retries && !open.empty(); ++attempt) {
    std::vector<std::vector<Message>> prompts;
    for (size_t at : open) prompts.push_back(writing_prompt(requests[at]));
    PROSODIA_ASSIGN(const std::vector<std::string> texts,
                    generate_(prompts, mix_seed(batch_seed, static_cast<uint64_t>(attempt))));
    if (texts.size() != open.size()) {
      return fail(ErrorCode::kInternal, "the model gave {} texts for {} prompts", texts.size(), open.size());
    }
    attempts_ += static_cast<int>(open.size());
    std::vector<size_t> still_open;
    for (size_t i = 0; i < open.size(); ++i) {
      const ReasoningRequest& request = requests[open[i]];
      std::string text = inside_think(texts[i]);
      const auto objection = text.empty() ? std::optional<std::string>("no reasoning in <think></think>")
                                          : find_objection_(texts[i], request);
      if (objection) {
        ++objections_[*objection];
        still_open.push_back(open[i]);
      } else {
        ++by_model_;
        written[open[i]] = {std::move(text), request.emotion, "model:" + options_.name, true};
      }
    }
    open = std::move(still_open);
  }
  for (size_t at : open) written[at] = WrittenReasoning::draft_of(requests[at]);
  by_grammar_ += static_cast<int>(open.size());
  return written;
}

std::string ModelWriter::summary() const {
  std::string text = fmt::format("writer: {} texts by model {}, {} by the grammar; {} attempts", by_model_,
                                 options_.name, by_grammar_, attempts_);
  for (const auto& [reason, count] : objections_) text += fmt::format(", {} refused: {}", count, reason);
  return text;
}

}  // namespace prosodia
