// prosody.sft.jsonl and prosody.eval.jsonl.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>

#include "data/builders/prompts.h"
#include "data/builders/question_text.h"
#include "data/builders/random_choice.h"
#include "data/builders/sets.h"
#include "data/builders/transcript_words.h"
#include "data/prosody/word_times.h"

namespace prosodia {
namespace {

using ByLevel = std::map<std::string, std::vector<size_t>>;  // level -> utterances

// Larger models are also asked who speaks, where the corpus knows.
std::vector<Attribute> asked_attributes(const BuildOptions& options) {
  std::vector<Attribute> attributes(kAcousticAttributes.begin(), kAcousticAttributes.end());
  if (options.prompt_style == PromptStyle::kPaper) {
    attributes.push_back(Attribute::kGender);
    attributes.push_back(Attribute::kAge);
  }
  return attributes;
}

std::map<Attribute, ByLevel> group_by_level(const LabelledCorpus& corpus, const std::vector<size_t>& pool) {
  std::map<Attribute, ByLevel> groups;
  for (size_t index : pool) {
    const ProsodyLevels& levels = corpus.truth(index);
    for (Attribute attribute : kAttributes) {
      if (attribute == Attribute::kStress || levels[attribute].empty()) continue;
      groups[attribute][levels[attribute]].push_back(index);
    }
  }
  return groups;
}

// One held-out question: the row without an answer.
nlohmann::ordered_json eval_row(const LabelledCorpus& corpus, size_t index, std::string_view question,
                                std::string_view attribute, std::vector<std::string> choices,
                                std::string_view solution) {
  nlohmann::ordered_json row = corpus.row(index, brief_prompt(question), {.writer = "template"});
  row["solution"] = solution;
  row["attribute"] = attribute;
  row["options"] = std::move(choices);
  return row;
}

// The test utterances that have one stressed word, which occurs once: (utterance, word).
std::vector<std::pair<size_t, std::string>> stress_items(const LabelledCorpus& corpus) {
  std::vector<std::pair<size_t, std::string>> items;
  for (size_t index : corpus.test()) {
    const std::vector<std::string> stressed = split_words(corpus.truth(index).stress);
    if (stressed.size() != 1) continue;
    const std::string key = word_key(stressed.front());
    const std::vector<std::string> words = split_words(corpus.info(index).transcript);
    const auto is_it = [&](const std::string& word) { return word_key(word) == key; };
    if (words.size() > 1 && std::count_if(words.begin(), words.end(), is_it) == 1) {
      items.emplace_back(index, *std::find_if(words.begin(), words.end(), is_it));
    }
  }
  return items;
}

// Held-out questions about one attribute, each utterance once, the levels in turn as long as they last.
class AttributeQuestions {
 public:
  AttributeQuestions(Attribute attribute, ByLevel by_level, PhiloxStream& stream) : attribute_(attribute) {
    for (auto& [level, utterances] : by_level) {
      shuffle(utterances, stream);
      levels_.push_back({level, std::move(utterances)});
    }
  }
  std::optional<nlohmann::ordered_json> next(const LabelledCorpus& corpus, PromptStyle style) {
    for (size_t tried = 0; tried < levels_.size(); ++tried) {
      auto& [level, left] = levels_[turn_++ % levels_.size()];
      if (left.empty()) continue;
      const size_t index = left.back();
      left.pop_back();
      const auto names = level_names(attribute_);
      return eval_row(corpus, index, choice_question(attribute_, style), attribute_name(attribute_),
                      {names.begin(), names.end()}, level);
    }
    return std::nullopt;
  }

 private:
  Attribute attribute_;
  std::vector<std::pair<std::string, std::vector<size_t>>> levels_;
  size_t turn_ = 0;
};

}  // namespace

// Four descriptions of everything, then a question about one attribute, and so on round the attributes: a description
// teaches five levels for the cost of one prompt. Within an attribute the levels take turns, so that rare ones are
// asked for as often as others.
Status write_prosody_set(const LabelledCorpus& corpus, const BuildOptions& options, const RowSink& sink) {
  constexpr int kDescriptionsPerQuestion = 4;
  std::map<Attribute, ByLevel> by_level = group_by_level(corpus, corpus.train());
  const std::vector<Attribute> attributes = asked_attributes(options);
  PhiloxStream stream = set_stream(options, SetStream::kProsody);
  std::map<std::optional<Attribute>, size_t> turn;  // of the levels, for each kind of row
  const int64_t most_tries = 16 * static_cast<int64_t>(options.prosody_rows);
  int written = 0;
  for (int64_t n = 0; written < options.prosody_rows && n < most_tries; ++n) {
    const auto [round, place] = std::div(n, static_cast<int64_t>(kDescriptionsPerQuestion + 1));
    std::optional<Attribute> asked;  // nullopt: describe everything
    if (place == kDescriptionsPerQuestion) asked = attributes[static_cast<size_t>(round) % attributes.size()];
    const Attribute attribute = asked.value_or(Attribute::kIntonation);  // descriptions are balanced by intonation
    const ByLevel& levels = by_level[attribute];
    if (levels.empty()) continue;
    const auto& [level, utterances] =
        *std::next(levels.begin(), static_cast<std::ptrdiff_t>(turn[asked]++ % levels.size()));
    const size_t index = utterances[stream.next_below(static_cast<uint32_t>(utterances.size()))];
    const QuestionAnswer qa = asked ? ask_about(attribute, level, options.prompt_style, stream)
                                    : ask_for_description(corpus.truth(index), options.prompt_style, stream);
    std::vector<Message> messages = brief_prompt(qa.question);
    messages.push_back({"assistant", qa.answer});
    PROSODIA_TRY(sink(corpus.row(index, messages, {.writer = "template"})));
    ++written;
  }
  return {};
}

Status write_prosody_eval_set(const LabelledCorpus& corpus, const BuildOptions& options, const RowSink& sink) {
  PhiloxStream stream = set_stream(options, SetStream::kProsodyEval);
  std::map<Attribute, ByLevel> by_level = group_by_level(corpus, corpus.test());
  std::vector<AttributeQuestions> questions;
  for (Attribute attribute : kAcousticAttributes) questions.emplace_back(attribute, by_level[attribute], stream);
  std::vector<std::pair<size_t, std::string>> stress = stress_items(corpus);
  shuffle(stress, stream);
  int written = 0;
  for (bool any = true; any;) {
    any = false;
    for (AttributeQuestions& each : questions) {
      if (written >= options.prosody_eval_rows) return {};
      const auto row = each.next(corpus, options.prompt_style);
      if (!row) continue;
      PROSODIA_TRY(sink(*row));
      any = true;
      ++written;
    }
    if (stress.empty() || written >= options.prosody_eval_rows) continue;
    const auto [index, word] = std::move(stress.back());
    stress.pop_back();
    const std::string& transcript = corpus.info(index).transcript;
    PROSODIA_TRY(sink(eval_row(corpus, index, stress_question(transcript), attribute_name(Attribute::kStress),
                               distinct_words(transcript), word)));
    any = true;
    ++written;
  }
  return {};
}

}  // namespace prosodia
