#include "data/corpus/build.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>

#include "data/base/philox.h"
#include "data/corpus/corpus.h"
#include "data/corpus/dataset.h"
#include "data/corpus/emotions.h"
#include "data/corpus/inspect.h"
#include "data/corpus/reasoning_text.h"
#include "data/prosody/levels_json.h"
#include "data/store/atomic_file.h"

namespace prosodia {
namespace {

using nlohmann::ordered_json;

constexpr std::string_view kFileNames[] = {"prosody.sft.jsonl", "coldstart.sft.jsonl", "rl.jsonl", "eval.jsonl"};

// Streams of the seed, one a file, so that the size of one set does not change another.
enum Stream : uint64_t { kProsodyStream, kColdstartStream };

std::string_view system_prompt(PromptStyle style) {
  return style == PromptStyle::kShort
             ? "Reason in <think></think>, then answer in <answer></answer>."
             : "You are an expert in speech emotion understanding. Reason step by step about the speaker, the prosody "
               "and the "
               "words inside <think> </think>, then give the emotion inside <answer> </answer>.";
}

std::string emotion_question(PromptStyle style) {
  std::string text = "<audio>What is the emotion expressed in this audio clip?";
  if (style == PromptStyle::kShort) return text;
  text += " Please choose one from the following options: ";
  for (size_t i = 0; i < kEmotionCount; ++i)
    text += fmt::format("{}{}", i == 0 ? "" : ", ", emotion_profiles()[i].name);
  return text + ".";
}

ordered_json message(std::string_view role, std::string_view content) {
  ordered_json object;
  object["role"] = role;
  object["content"] = content;
  return object;
}

size_t emotion_rank(std::string_view emotion) { return emotion_index(emotion).value_or(kEmotionCount); }

// A corpus with, for every utterance, the levels that claims are checked against.
class Builder {
 public:
  Builder(const CorpusReader& corpus, const BuildOptions& options) : corpus_(corpus), options_(options) {
    choose_sources();
    for (size_t i = 0; i < corpus.size(); ++i) {
      if (corpus.info(i).split == options.train_split) train_.push_back(i);
      if (corpus.info(i).split == options.test_split) test_.push_back(i);
    }
  }

  const std::vector<size_t>& train() const { return train_; }
  const std::vector<size_t>& test() const { return test_; }
  const std::vector<std::string>& notes() const { return notes_; }

  std::string prosody_set() const;
  std::string coldstart_set() const;
  std::string prompt_set(const std::vector<size_t>& utterances) const;

 private:
  void choose_sources();
  ProsodyLevels truth(size_t index) const;
  ordered_json row(size_t index, ordered_json messages) const;
  ProsodyLevels noisy_cues(const ProsodyLevels& levels, PhiloxStream& stream) const;
  std::string noisy_emotion(const std::string& emotion, PhiloxStream& stream) const;

  const CorpusReader& corpus_;
  const BuildOptions& options_;
  std::vector<size_t> train_, test_;
  std::map<Attribute, bool> is_measured_;
  std::vector<std::string> notes_;
};

void Builder::choose_sources() {
  const auto agreements = level_agreement(corpus_, options_.train_split);
  for (Attribute attribute : kAcousticAttributes) {
    const auto found = agreements.find(attribute);
    if (found == agreements.end()) {
      is_measured_[attribute] = true;
      notes_.push_back(fmt::format("{}: measured (not controlled in this corpus)", attribute_name(attribute)));
      continue;
    }
    const double rate = found->second.rate();
    is_measured_[attribute] = rate >= options_.min_agreement;
    notes_.push_back(fmt::format("{}: {} (measured and controlled agree in {:.3f} of {}; measured needs {:.2f})",
                                 attribute_name(attribute), is_measured_[attribute] ? "measured" : "controlled", rate,
                                 found->second.both, options_.min_agreement));
  }
}

ProsodyLevels Builder::truth(size_t index) const {
  const UtteranceInfo& info = corpus_.info(index);
  ProsodyLevels levels;
  for (const auto& [attribute, measured] : is_measured_) {
    levels[attribute] = measured ? info.levels[attribute] : info.controlled[attribute];
  }
  levels.stress = info.levels.stress;
  levels.gender = info.gender;
  return levels;
}

ordered_json Builder::row(size_t index, ordered_json messages) const {
  const UtteranceInfo& info = corpus_.info(index);
  std::error_code error;
  std::filesystem::path file = std::filesystem::relative(options_.corpus, options_.output_dir, error);
  if (error || file.empty()) file = std::filesystem::absolute(options_.corpus);
  ordered_json row;
  row["messages"] = std::move(messages);
  row["audios"] = ordered_json::array({file.string() + "#" + info.id});
  row["solution"] = info.emotion;
  row["prosody"] = levels_to_json(truth(index));
  ordered_json sources;
  for (const auto& [attribute, measured] : is_measured_) {
    sources[std::string(attribute_name(attribute))] = measured ? "measured" : "controlled";
  }
  row["prosody_source"] = std::move(sources);
  row["emotion"] = info.emotion;
  row["speaker"] = info.speaker;
  row["transcript"] = info.transcript;
  row["id"] = info.id;
  return row;
}

// Four descriptions of everything, then a question about one attribute, and so on round the attributes: a description
// teaches five levels for the cost of one prompt. Within an attribute the levels take turns, so that rare ones are
// asked for as often as others.
std::string Builder::prosody_set() const {
  constexpr int kDescriptionsPerQuestion = 4;
  std::map<Attribute, std::map<std::string, std::vector<size_t>>> by_level;
  for (size_t index : train_) {
    const ProsodyLevels levels = truth(index);
    for (Attribute attribute : kAcousticAttributes) {
      if (!levels[attribute].empty()) by_level[attribute][levels[attribute]].push_back(index);
    }
  }
  PhiloxStream stream(mix_seed(options_.seed, kProsodyStream));
  std::map<std::optional<Attribute>, size_t> turn;  // of the levels, for each kind of row
  std::string text;
  for (int n = 0, written = 0; written < options_.prosody_rows && n < 16 * options_.prosody_rows; ++n) {
    const auto [round, place] = std::div(n, kDescriptionsPerQuestion + 1);
    std::optional<Attribute> asked;  // nullopt: describe everything
    if (place == kDescriptionsPerQuestion) {
      asked = kAcousticAttributes[static_cast<size_t>(round) % kAcousticAttributes.size()];
    }
    const Attribute attribute = asked.value_or(Attribute::kIntonation);  // descriptions are balanced by intonation
    const auto& levels = by_level[attribute];
    if (levels.empty()) continue;
    const auto& [level, utterances] =
        *std::next(levels.begin(), static_cast<std::ptrdiff_t>(turn[asked]++ % levels.size()));
    const size_t index = utterances[stream.next_below(static_cast<uint32_t>(utterances.size()))];
    const QuestionAnswer qa = asked ? ask_about(attribute, level, stream) : ask_for_description(truth(index), stream);
    text += row(index, {message("system", "Answer briefly."), message("user", "<audio>" + qa.question),
                        message("assistant", qa.answer)})
                .dump() +
            "\n";
    ++written;
  }
  return text;
}

// Replaces some cues by another level of their attribute and drops some; one of those that were there stays.
ProsodyLevels Builder::noisy_cues(const ProsodyLevels& levels, PhiloxStream& stream) const {
  ProsodyLevels cues;
  std::vector<Attribute> dropped;
  bool any = false;
  for (Attribute attribute : kAcousticAttributes) {
    if (levels[attribute].empty()) continue;
    cues[attribute] = levels[attribute];
    // An inaudible phonation is not invented: only a whisper is mentioned, and it is mentioned as what it is.
    if (attribute == Attribute::kVoice) continue;
    if (stream.next_unit() < options_.cue_noise) {
      const auto names = level_names(attribute);
      const auto at = std::find(names.begin(), names.end(), levels[attribute]) - names.begin();
      const size_t step = 1 + stream.next_below(static_cast<uint32_t>(names.size() - 1));
      cues[attribute] = names[(static_cast<size_t>(at) + step) % names.size()];
    }
    if (stream.next_unit() < options_.cue_omission) {
      dropped.push_back(attribute);
    } else {
      any = true;
    }
  }
  if (!any && !dropped.empty()) {
    dropped.erase(dropped.begin() + stream.next_below(static_cast<uint32_t>(dropped.size())));
  }
  for (Attribute attribute : dropped) cues[attribute].clear();
  return cues;
}

std::string Builder::noisy_emotion(const std::string& emotion, PhiloxStream& stream) const {
  const bool replace = stream.next_unit() < options_.emotion_noise;
  const size_t rank = emotion_rank(emotion);
  const size_t step = 1 + stream.next_below(kEmotionCount - 1);
  if (!replace || rank == kEmotionCount) return emotion;
  return std::string(emotion_profiles()[(rank + step) % kEmotionCount].name);
}

std::string Builder::coldstart_set() const {
  PhiloxStream stream(mix_seed(options_.seed, kColdstartStream));
  std::vector<size_t> order = train_;
  std::string text;
  for (size_t n = 0; n < static_cast<size_t>(options_.coldstart_rows); ++n) {
    const size_t at = n % order.size();
    if (at == 0) {  // a new pass in a new order
      for (size_t i = order.size(); i > 1; --i)
        std::swap(order[i - 1], order[stream.next_below(static_cast<uint32_t>(i))]);
    }
    const size_t index = order[at];
    const ProsodyLevels cues = noisy_cues(truth(index), stream);
    const std::string emotion = noisy_emotion(corpus_.info(index).emotion, stream);
    text += row(index, {message("system", system_prompt(options_.prompt_style)),
                        message("user", emotion_question(options_.prompt_style)),
                        message("assistant", think_and_answer(cues, emotion, stream))})
                .dump() +
            "\n";
  }
  return text;
}

std::string Builder::prompt_set(const std::vector<size_t>& utterances) const {
  std::string text;
  for (size_t index : utterances) {
    text += row(index, {message("system", system_prompt(options_.prompt_style)),
                        message("user", emotion_question(options_.prompt_style))})
                .dump() +
            "\n";
  }
  return text;
}

Status check_options(const BuildOptions& options) {
  for (const auto& [name, value] : {std::pair("cue_noise", options.cue_noise),
                                    {"cue_omission", options.cue_omission},
                                    {"emotion_noise", options.emotion_noise},
                                    {"min_agreement", options.min_agreement}}) {
    if (!(value >= 0 && value <= 1)) return fail(ErrorCode::kUsage, "--{} {}: expected 0 to 1", name, value);
  }
  if (options.prosody_rows < 0 || options.coldstart_rows < 0) {
    return fail(ErrorCode::kUsage, "--prosody_rows {} and --coldstart_rows {}: expected 0 or more",
                options.prosody_rows, options.coldstart_rows);
  }
  if (options.output_dir.empty())
    return fail(ErrorCode::kUsage, "--output_dir is missing: the folder for the JSONL sets");
  return {};
}

int count_lines(const std::string& text) { return static_cast<int>(std::count(text.begin(), text.end(), '\n')); }

}  // namespace

Result<BuildReport> build_datasets(const BuildOptions& options) {
  PROSODIA_TRY(check_options(options));
  PROSODIA_ASSIGN(const auto corpus, CorpusReader::open(options.corpus));
  const Builder builder(*corpus, options);
  if (builder.train().empty()) {
    return fail(ErrorCode::kInvalidInput, "{}: no utterance in split \"{}\"; `prosodia data inspect` lists the splits",
                options.corpus.string(), options.train_split);
  }
  FileSystem& fs = posix_file_system();
  PROSODIA_TRY(fs.create_dirs(options.output_dir));
  const std::string sets[] = {builder.prosody_set(), builder.coldstart_set(), builder.prompt_set(builder.train()),
                              builder.prompt_set(builder.test())};
  for (size_t i = 0; i < std::size(sets); ++i) {
    PROSODIA_TRY(write_file_atomic(fs, options.output_dir / kFileNames[i], std::string_view(sets[i])));
  }
  return BuildReport{count_lines(sets[0]), count_lines(sets[1]), count_lines(sets[2]), count_lines(sets[3]),
                     builder.notes()};
}

Result<std::vector<std::string>> build_texts(const std::filesystem::path& output_dir) {
  std::vector<std::string> texts;
  for (std::string_view name : kFileNames) {
    const std::filesystem::path path = output_dir / name;
    std::error_code error;
    if (std::filesystem::exists(path, error) && std::filesystem::file_size(path, error) == 0) continue;  // an empty set
    PROSODIA_ASSIGN(const std::vector<Sample> samples, read_dataset(path));
    for (std::string& text : dataset_texts(samples)) texts.push_back(std::move(text));
  }
  return texts;
}

}  // namespace prosodia
