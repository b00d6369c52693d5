#include "data/builders/labelled_corpus.h"

#include <algorithm>

#include "data/builders/build.h"
#include "data/builders/transcript_words.h"
#include "data/corpus/inspect.h"
#include "data/prosody/levels_json.h"
#include "data/prosody/word_times.h"

namespace prosodia {
namespace {

using nlohmann::ordered_json;

ordered_json messages_json(const std::vector<Message>& messages) {
  ordered_json array = ordered_json::array();
  for (const Message& message : messages) {
    ordered_json object;
    object["role"] = message.role;
    object["content"] = message.content;
    array.push_back(std::move(object));
  }
  return array;
}

std::string stress_key(std::string_view words) {
  std::string key;
  for (const std::string& word : split_words(words)) key += word_key(word) + ' ';
  return key;
}

}  // namespace

std::vector<size_t> with_emotion(const LabelledCorpus& corpus, const std::vector<size_t>& pool) {
  std::vector<size_t> known;
  std::copy_if(pool.begin(), pool.end(), std::back_inserter(known),
               [&](size_t index) { return !corpus.info(index).emotion.empty(); });
  return known;
}

Result<std::unique_ptr<LabelledCorpus>> LabelledCorpus::open(const BuildOptions& options) {
  PROSODIA_ASSIGN(auto reader, CorpusReader::open(options.corpus));
  std::unique_ptr<LabelledCorpus> corpus(new LabelledCorpus(std::move(reader)));
  std::error_code error;
  std::filesystem::path file = std::filesystem::relative(options.corpus, options.output_dir, error);
  if (error || file.empty()) file = std::filesystem::absolute(options.corpus);
  corpus->audio_prefix_ = file.string() + "#";
  corpus->name_ = options.corpus.filename().string();
  corpus->choose_sources(options);
  corpus->choose_stress_source(options);
  for (size_t i = 0; i < corpus->reader_->size(); ++i) {
    const UtteranceInfo& info = corpus->info(i);
    corpus->truth_.push_back(corpus->truth_of(info));
    if (info.split == options.train_split) corpus->train_.push_back(i);
    if (info.split == options.test_split) corpus->test_.push_back(i);
  }
  const auto unlabelled = [&](const std::vector<size_t>& pool) {
    return pool.size() - with_emotion(*corpus, pool).size();
  };
  if (const size_t count = unlabelled(corpus->train_) + unlabelled(corpus->test_); count > 0) {
    corpus->notes_.push_back(fmt::format("{} utterances without an emotion: only in the prosody sets", count));
  }
  return corpus;
}

void LabelledCorpus::choose_sources(const BuildOptions& options) {
  const auto agreements = level_agreement(*reader_, options.train_split);
  for (Attribute attribute : kAcousticAttributes) {
    const auto found = agreements.find(attribute);
    if (found == agreements.end()) {
      is_measured_[attribute] = true;
      notes_.push_back(fmt::format("{}: measured (not controlled in this corpus)", attribute_name(attribute)));
      continue;
    }
    const double rate = found->second.rate();
    is_measured_[attribute] = rate >= options.min_agreement;
    notes_.push_back(fmt::format("{}: {} (measured and controlled agree in {:.3f} of {}; measured needs {:.2f})",
                                 attribute_name(attribute), is_measured_[attribute] ? "measured" : "controlled", rate,
                                 found->second.both, options.min_agreement));
  }
}

// Stress is a set of words; a corpus without any stressed word says nothing about it.
void LabelledCorpus::choose_stress_source(const BuildOptions& options) {
  size_t measured = 0, controlled = 0, both = 0, equal = 0;
  for (size_t i = 0; i < reader_->size(); ++i) {
    const UtteranceInfo& each = info(i);
    if (each.split != options.train_split) continue;
    measured += !each.levels.stress.empty();
    controlled += !each.controlled.stress.empty();
    if (each.levels.stress.empty() || each.controlled.stress.empty()) continue;
    ++both;
    equal += stress_key(each.levels.stress) == stress_key(each.controlled.stress);
  }
  if (measured + controlled == 0) return;
  const double rate = both > 0 ? static_cast<double>(equal) / static_cast<double>(both) : 0;
  const bool is_measured = controlled == 0 || rate >= options.min_agreement;
  is_measured_[Attribute::kStress] = is_measured;
  notes_.push_back(
      controlled == 0 ? fmt::format("stress: measured, in {} utterances (not controlled in this corpus)", measured)
                      : fmt::format("stress: {} (measured and controlled agree in {:.3f} of {}; measured needs {:.2f})",
                                    is_measured ? "measured" : "controlled", rate, both, options.min_agreement));
}

ProsodyLevels LabelledCorpus::truth_of(const UtteranceInfo& info) const {
  ProsodyLevels levels;
  for (const auto& [attribute, measured] : is_measured_) {
    levels[attribute] = measured ? info.levels[attribute] : info.controlled[attribute];
  }
  levels.gender = info.gender;
  levels.age = info.age_group;
  return levels;
}

ordered_json LabelledCorpus::row(size_t index, const std::vector<Message>& messages, const RowSource& source) const {
  const UtteranceInfo& utterance = info(index);
  ordered_json row;
  row["messages"] = messages_json(messages);
  row["audios"] = ordered_json::array({audio_prefix_ + utterance.id});
  row["solution"] = utterance.emotion;
  row["prosody"] = levels_to_json(truth(index));
  ordered_json sources;
  for (const auto& [attribute, measured] : is_measured_) {
    sources[std::string(attribute_name(attribute))] = measured ? "measured" : "controlled";
  }
  row["prosody_source"] = std::move(sources);
  row["emotion"] = utterance.emotion;
  row["speaker"] = utterance.speaker;
  row["transcript"] = utterance.transcript;
  row["id"] = utterance.id;
  if (!utterance.language.empty()) row["language"] = utterance.language;
  ordered_json origin;
  origin["corpus"] = utterance.source.empty() ? name_ : utterance.source;
  origin["writer"] = source.writer;
  if (!source.changed.empty()) origin["changed"] = source.changed;
  row["source"] = std::move(origin);
  return row;
}

}  // namespace prosodia
