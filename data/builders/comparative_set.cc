// comparative.sft.jsonl, comparative.eval.jsonl and the clips they refer to: one sentence several times, changed by
// signal processing in one quantity, the order to be named.
#include <algorithm>
#include <array>
#include <cmath>
#include <thread>

#include "data/audio/modify.h"
#include "data/builders/prompts.h"
#include "data/builders/sets.h"
#include "data/builders/utterance_order.h"
#include "data/corpus/ordered_parallel.h"

namespace prosodia {
namespace {

constexpr double kGapSeconds = 0.3;        // silence between the versions
constexpr double kMaxVersionSeconds = 10;  // longer utterances are left out
constexpr double kPeak = 0.99;             // no version is louder than this
constexpr std::array<Attribute, 3> kCompared = {Attribute::kPitch, Attribute::kEnergy, Attribute::kSpeed};

// One quantity of the versions, centred on the original, at least this far apart. Every version is processed, so that
// traces of the processing say nothing.
struct StepRange {
  double low, high;  // between neighbours: semitones, dB, log2 of the rate
};
StepRange step_range(Attribute attribute, size_t versions) {
  const double scale = versions == 2 ? 1.0 : 0.75;  // three versions span more
  switch (attribute) {
    case Attribute::kPitch:
      return {2.5 * scale, 6.0 * scale};
    case Attribute::kEnergy:
      return {6.0 * scale, 14.0 * scale};
    default:
      return {0.35 * scale, 0.80 * scale};
  }
}

struct Comparison {
  size_t index = 0;
  std::string id;
  Attribute attribute = Attribute::kPitch;
  std::vector<size_t> ranks;   // version -> rank of its quantity, 0 the lowest
  double step = 0;             // between ranks
  bool asks_for_most = false;  // of two: "higher" or "lower"
};

std::string quantity(Attribute attribute, double value) {
  switch (attribute) {
    case Attribute::kPitch:
      return fmt::format("pitch {:+.2f} st", value);
    case Attribute::kEnergy:
      return fmt::format("energy {:+.2f} dB", value);
    default:
      return fmt::format("speed x{:.3f}", std::exp2(value));
  }
}

double offset(const Comparison& comparison, size_t version) {
  const double middle = 0.5 * static_cast<double>(comparison.ranks.size() - 1);
  return comparison.step * (static_cast<double>(comparison.ranks[version]) - middle);
}

ClipChange change_of(const Comparison& comparison, size_t version) {
  const double value = offset(comparison, version);
  switch (comparison.attribute) {
    case Attribute::kPitch:
      return {.pitch_semitones = value};
    case Attribute::kEnergy:
      return {.gain_db = value};
    default:
      return {.rate_factor = std::exp2(value)};
  }
}

struct Wording {
  std::string_view most, least;
};
Wording wording(Attribute attribute) {
  switch (attribute) {
    case Attribute::kPitch:
      return {"higher in pitch", "lower in pitch"};
    case Attribute::kEnergy:
      return {"louder", "quieter"};
    default:
      return {"faster", "slower"};
  }
}
std::string_view ascending(Attribute attribute) {
  switch (attribute) {
    case Attribute::kPitch:
      return "from the lowest to the highest pitch";
    case Attribute::kEnergy:
      return "from the quietest to the loudest";
    default:
      return "from the slowest to the fastest";
  }
}

struct Asked {
  std::string question, solution;
  std::vector<std::string> options;
};

Asked ask(const Comparison& comparison) {
  if (comparison.ranks.size() == 2) {
    const Wording words = wording(comparison.attribute);
    const size_t wanted_rank = comparison.asks_for_most ? 1 : 0;
    return {fmt::format("The same sentence is spoken twice. Which one is {}: first or second?",
                        comparison.asks_for_most ? words.most : words.least),
            comparison.ranks[0] == wanted_rank ? "first" : "second",
            {"first", "second"}};
  }
  Asked asked;
  asked.question = fmt::format("The same sentence is spoken three times. Give the order {}, such as 2 1 3.",
                               ascending(comparison.attribute));
  std::vector<size_t> order = {0, 1, 2};
  do {
    asked.options.push_back(fmt::format("{} {} {}", order[0] + 1, order[1] + 1, order[2] + 1));
  } while (std::next_permutation(order.begin(), order.end()));
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return comparison.ranks[a] < comparison.ranks[b]; });
  asked.solution = fmt::format("{} {} {}", order[0] + 1, order[1] + 1, order[2] + 1);
  return asked;
}

// Utterances in which the quantity can be heard to change: a whisper has no pitch.
std::vector<size_t> comparable(const LabelledCorpus& corpus, const std::vector<size_t>& pool, Attribute attribute) {
  std::vector<size_t> found;
  for (size_t index : pool) {
    const bool has_pitch = corpus.truth(index).voice != "whisper" && corpus.info(index).controlled.voice != "whisper";
    if (attribute == Attribute::kPitch && !has_pitch) continue;
    if (corpus.reader().seconds(index) <= kMaxVersionSeconds) found.push_back(index);
  }
  return found;
}

// Which comparison is row n: attributes in turn; for each, two versions twice as often as three; the answers in turn.
std::vector<Comparison> plan_comparisons(const LabelledCorpus& corpus, const BuildOptions& options, Part part) {
  const bool train = part == Part::kTrain;
  const std::vector<size_t>& pool = train ? corpus.train() : corpus.test();
  const int wanted = train ? options.comparative_rows : options.comparative_eval_rows;
  PhiloxStream stream = set_stream(options, train ? SetStream::kComparative : SetStream::kComparativeEval);
  std::vector<Attribute> attributes;
  std::vector<UtteranceOrder> orders;
  for (Attribute attribute : kCompared) {
    const std::vector<size_t> usable = comparable(corpus, pool, attribute);
    if (usable.empty()) continue;
    attributes.push_back(attribute);
    orders.emplace_back(corpus, usable, options.balance);
  }
  std::vector<Comparison> plans;
  for (int n = 0; n < wanted && !attributes.empty(); ++n) {
    const size_t which = static_cast<size_t>(n) % attributes.size();
    const size_t round = static_cast<size_t>(n) / attributes.size();
    Comparison plan;
    plan.index = orders[which].next(stream);
    plan.id = fmt::format("{}-{:06}", train ? "train" : "eval", n);
    plan.attribute = attributes[which];
    const bool three = round % 3 == 2;
    plan.ranks = three ? std::vector<size_t>{0, 1, 2} : std::vector<size_t>{0, 1};
    const size_t turn = three ? round / 3 : round - round / 3;  // counts the rows of this kind
    for (size_t i = 0; i < (three ? turn % 6 : turn % 2); ++i)
      std::next_permutation(plan.ranks.begin(), plan.ranks.end());
    plan.asks_for_most = turn / 2 % 2 == 0;
    const StepRange range = step_range(plan.attribute, plan.ranks.size());
    plan.step = range.low + (range.high - range.low) * stream.next_unit();
    plans.push_back(std::move(plan));
  }
  return plans;
}

// All versions, as loud as they may be together without clipping.
Result<Utterance> render(const LabelledCorpus& corpus, const Comparison& plan) {
  PROSODIA_ASSIGN(const AudioClip original, corpus.reader().read_audio(plan.index));
  std::vector<AudioClip> versions;
  float peak = 0;
  for (size_t i = 0; i < plan.ranks.size(); ++i) {
    auto version = modify(original, change_of(plan, i));
    if (!version) return wrap(version.error(), fmt::format("utterance {}", corpus.info(plan.index).id));
    for (float sample : version->samples) peak = std::max(peak, std::abs(sample));
    versions.push_back(std::move(*version));
  }
  if (peak > kPeak) {
    for (AudioClip& version : versions) {
      for (float& sample : version.samples) sample *= static_cast<float>(kPeak) / peak;
    }
  }
  const UtteranceInfo& info = corpus.info(plan.index);
  Utterance result;
  PROSODIA_ASSIGN(result.audio, concatenate(versions, kGapSeconds));
  result.info.id = plan.id;
  result.info.transcript = info.transcript;
  result.info.emotion = info.emotion;
  result.info.source_label = info.source_label;
  result.info.speaker = info.speaker;
  result.info.gender = info.gender;
  result.info.age_group = info.age_group;
  result.info.language = info.language;
  result.info.source = info.source;
  result.info.split = info.split;
  return result;
}

Status put_row(const LabelledCorpus& corpus, const Comparison& plan, Part part, const RowSink& sink) {
  const Asked asked = ask(plan);
  std::vector<std::string> changed;
  for (size_t i = 0; i < plan.ranks.size(); ++i) {
    changed.push_back(fmt::format("version {}: {}", i + 1, quantity(plan.attribute, offset(plan, i))));
  }
  std::vector<Message> messages = brief_prompt(asked.question);
  if (part == Part::kTrain) messages.push_back({"assistant", asked.solution});
  nlohmann::ordered_json row = corpus.row(plan.index, messages, {"template", changed});
  row["audios"] = nlohmann::ordered_json::array({std::string(kComparativeCorpus) + "#" + plan.id});
  row["solution"] = asked.solution;
  row.erase("prosody");  // of the utterance as it was
  row.erase("prosody_source");
  row["attribute"] = fmt::format("comparative_{}", attribute_name(plan.attribute));
  row["options"] = asked.options;
  return sink(row);
}

}  // namespace

Status write_comparative_set(const LabelledCorpus& corpus, const BuildOptions& options, Part part, CorpusWriter* audio,
                             const RowSink& sink) {
  const std::vector<Comparison> plans = plan_comparisons(corpus, options, part);
  if (audio == nullptr) {
    for (const Comparison& plan : plans) PROSODIA_TRY(put_row(corpus, plan, part, sink));
    return {};
  }
  const int jobs = thread_count(options.jobs);
  return ordered_parallel(
      plans.size(), jobs, static_cast<size_t>(jobs) * 8, [&](size_t i) { return render(corpus, plans[i]); },
      [&](size_t i, const Utterance& utterance) -> Status {
        PROSODIA_ASSIGN(const size_t unused, audio->append(utterance));
        (void)unused;
        return put_row(corpus, plans[i], part, sink);
      });
}

}  // namespace prosodia
