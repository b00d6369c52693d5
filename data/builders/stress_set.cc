// stress.sft.jsonl: which word is stressed.
#include <algorithm>
#include <array>

#include "data/builders/prompts.h"
#include "data/builders/question_text.h"
#include "data/builders/sets.h"
#include "data/builders/transcript_words.h"
#include "data/prosody/word_times.h"

namespace prosodia {
namespace {

// Where the first stressed word stands: beginning, middle or end of the sentence. -1: not in the transcript.
int place_of_stress(const std::vector<std::string>& words, const std::string& stressed) {
  for (size_t i = 0; i < words.size(); ++i) {
    if (word_key(words[i]) == word_key(stressed)) return static_cast<int>(3 * i / words.size());
  }
  return -1;
}

}  // namespace

// The places take turns, so that "the last word" is no good guess.
Status write_stress_set(const LabelledCorpus& corpus, const BuildOptions& options, const RowSink& sink) {
  std::array<std::vector<size_t>, 3> by_place;
  for (size_t index : corpus.train()) {
    const std::vector<std::string> stressed = split_words(corpus.truth(index).stress);
    const std::vector<std::string> words = split_words(corpus.info(index).transcript);
    if (stressed.empty() || stressed.size() >= words.size()) continue;  // everything stressed is nothing stressed
    const int place = place_of_stress(words, stressed.front());
    if (place >= 0) by_place[static_cast<size_t>(place)].push_back(index);
  }
  std::vector<const std::vector<size_t>*> places;
  for (const auto& place : by_place) {
    if (!place.empty()) places.push_back(&place);
  }
  if (places.empty()) return {};
  PhiloxStream stream = set_stream(options, SetStream::kStress);
  for (int n = 0; n < options.stress_rows; ++n) {
    const std::vector<size_t>& utterances = *places[static_cast<size_t>(n) % places.size()];
    const size_t index = utterances[stream.next_below(static_cast<uint32_t>(utterances.size()))];
    const std::vector<std::string> stressed = split_words(corpus.truth(index).stress);
    const QuestionAnswer qa = ask_about_stress(corpus.info(index).transcript, stressed, stream);
    std::vector<Message> messages = brief_prompt(qa.question);
    messages.push_back({"assistant", qa.answer});
    PROSODIA_TRY(sink(corpus.row(index, messages, {.writer = "template"})));
  }
  return {};
}

}  // namespace prosodia
