#include "workers/reward/rm_grader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/base/check.h"
#include "workers/model/audio_cache.h"
#include "workers/rollout/continuations.h"

namespace prosodia {
namespace {

// One prompt while its answer is decoded.
struct Row {
  size_t prompt = 0;
  std::vector<SlotReading> readings;
};

std::string describe(const std::vector<SlotReading>& readings) {
  std::string text = "digit mass";
  for (const SlotReading& reading : readings) text += fmt::format(" {:.3f}", reading.digit_mass);
  return text;
}

ReasoningScore score_of(const std::vector<SlotReading>& readings, const RmGraderOptions& options) {
  Criteria criteria{};
  for (size_t j = 0; j < kNumCriteria; ++j) {
    const SlotReading& reading = readings[j];
    const std::string_view slot = name(static_cast<Criterion>(j));
    if (!reading.finite) return {ScoreStatus::kError, {}, fmt::format("{}: a logit is not finite", slot)};
    // Written so that an undefined mass does not pass.
    if (!(reading.digit_mass > 0 && reading.digit_mass >= options.min_digit_mass)) {
      return {ScoreStatus::kUnparsable,
              {},
              fmt::format("{}: the digits {} to {} hold {:.3g} of the probability, expected at least {:g}", slot,
                          kMinRmScore, kMaxRmScore, reading.digit_mass, options.min_digit_mass)};
    }
    criteria[j] = options.score == RmScore::kArgmax ? reading.likeliest : reading.expected;
  }
  return checked_score(criteria, describe(readings));
}

}  // namespace

SlotReading read_slot(std::span<const float> logits_V, std::span<const int32_t> digit_ids) {
  SlotReading reading;
  float top = -INFINITY;
  for (const float logit : logits_V) {
    if (!std::isfinite(logit)) return reading;
    top = std::max(top, logit);
  }
  reading.finite = true;
  constexpr double kNegligible = -45;  // exp of it is below double's resolution beside 1
  double sum = 0;
  for (const float logit : logits_V) {
    const double z = static_cast<double>(logit) - top;
    if (z > kNegligible) sum += std::exp(z);
  }
  double weighted = 0, mass = 0, best = -1;
  for (size_t d = 0; d < digit_ids.size(); ++d) {
    const double p = std::exp(static_cast<double>(logits_V[static_cast<size_t>(digit_ids[d])]) - top) / sum;
    const int score = kMinRmScore + static_cast<int>(d);
    mass += p;
    weighted += p * score;
    if (p > best) {
      best = p;
      reading.likeliest = score;
    }
  }
  reading.digit_mass = mass;
  reading.expected = mass > 0 ? std::clamp(weighted / mass, double{kMinRmScore}, double{kMaxRmScore}) : kMinRmScore;
  return reading;
}

struct RmGrader::Impl {
  Impl(const Model& model_in, AnswerSlots slots_in, const RmGraderOptions& options_in)
      : model(model_in),
        slots(std::move(slots_in)),
        options(options_in),
        continuations(model, {.max_rows = options.max_rows,
                              .max_appended = slots.length() - static_cast<int64_t>(slots.forced[0].size()),
                              .backend = options.backend}) {}

  const Model& model;
  const AnswerSlots slots;
  const RmGraderOptions options;
  Continuations continuations;
  AudioCache audio;

  std::vector<size_t> fitting(std::span<const EncodedPrompt* const> prompts, std::vector<ReasoningScore>& scores) const;
  std::vector<std::vector<size_t>> pieces(const std::vector<size_t>& fitting,
                                          const std::vector<std::vector<int32_t>>& sequences) const;
  bool run(std::span<const std::vector<int32_t>> sequences, std::span<Row> rows, const EncodedPrompt& any,
           const std::stop_token& stop);
};

// Prompts whose answer fits behind them; the others are scored as errors.
std::vector<size_t> RmGrader::Impl::fitting(std::span<const EncodedPrompt* const> prompts,
                                            std::vector<ReasoningScore>& scores) const {
  std::vector<size_t> fitting;
  const int64_t limit = model.config().text.max_position_embeddings;
  for (size_t i = 0; i < prompts.size(); ++i) {
    const auto length = static_cast<int64_t>(prompts[i]->token_ids.size());
    if (length + slots.length() <= limit) {
      fitting.push_back(i);
      continue;
    }
    scores[i].detail = fmt::format(
        "{} tokens of prompt and response and {} of the answer exceed the reward model's {} positions; lower "
        "--max_completion_length",
        length, slots.length(), limit);
  }
  return fitting;
}

// In order, at most max_rows each, and max_prefill_tokens with the shared part counted once (unless it is one alone).
std::vector<std::vector<size_t>> RmGrader::Impl::pieces(const std::vector<size_t>& fitting,
                                                        const std::vector<std::vector<int32_t>>& sequences) const {
  std::vector<std::vector<size_t>> pieces;
  if (sequences.empty()) return pieces;
  const int64_t shared = shared_prefix(sequences);
  int64_t tokens = 0;
  for (size_t i = 0; i < fitting.size(); ++i) {
    const int64_t own = static_cast<int64_t>(sequences[i].size()) - shared;
    if (pieces.empty() || pieces.back().size() == static_cast<size_t>(options.max_rows) ||
        tokens + own > options.max_prefill_tokens) {
      pieces.emplace_back();
      tokens = shared;
    }
    pieces.back().push_back(i);
    tokens += own;
  }
  return pieces;
}

// The four readings of every row; false when told to stop.
bool RmGrader::Impl::run(std::span<const std::vector<int32_t>> sequences, std::span<Row> rows, const EncodedPrompt& any,
                         const std::stop_token& stop) {
  std::vector<const LogMel*> clips;
  for (const auto& clip : any.clips) clips.push_back(clip.get());
  at::Tensor embeddings;
  if (!clips.empty()) embeddings = audio.embeddings(model, clips);
  if (stop.stop_requested()) return false;
  continuations.start(sequences, std::move(clips), embeddings);
  std::vector<int32_t> next;
  for (size_t slot = 0; slot < kNumCriteria; ++slot) {
    if (slot > 0) {
      next.clear();
      for (const Row& row : rows) {
        next.push_back(slots.digit_ids[static_cast<size_t>(row.readings.back().likeliest - kMinRmScore)]);
        next.insert(next.end(), slots.forced[slot].begin(), slots.forced[slot].end());
      }
      if (stop.stop_requested()) return false;
      continuations.append(next);
    }
    for (size_t r = 0; r < rows.size(); ++r)
      rows[r].readings.push_back(read_slot(continuations.logits(r), slots.digit_ids));
  }
  return true;
}

RmGrader::RmGrader(const Model& model, AnswerSlots slots, const RmGraderOptions& options) {
  PROSODIA_CHECK(options.max_rows > 0 && options.max_prefill_tokens > 0, "max_rows {}, max_prefill_tokens {}",
                 options.max_rows, options.max_prefill_tokens);
  impl_ = std::make_unique<Impl>(model, std::move(slots), options);
}
RmGrader::~RmGrader() = default;

std::vector<ReasoningScore> RmGrader::grade(std::span<const EncodedPrompt* const> prompts,
                                            const std::stop_token& stop) {
  Impl& self = *impl_;
  std::vector<ReasoningScore> scores(prompts.size());
  const std::vector<size_t> fitting = self.fitting(prompts, scores);
  std::vector<std::vector<int32_t>> sequences;
  for (const size_t i : fitting) {
    sequences.push_back(prompts[i]->token_ids);
    sequences.back().insert(sequences.back().end(), self.slots.forced[0].begin(), self.slots.forced[0].end());
  }
  bool stopped = false;
  for (const std::vector<size_t>& piece : self.pieces(fitting, sequences)) {
    std::vector<Row> rows;
    for (const size_t i : piece) rows.push_back({fitting[i], {}});
    const auto part = std::span(sequences).subspan(piece.front(), piece.size());
    stopped = stopped || !self.run(part, rows, *prompts[rows.front().prompt], stop);
    for (const Row& row : rows) {
      scores[row.prompt] = stopped ? ReasoningScore{ScoreStatus::kTimeout, {}, "the reward model was told to stop"}
                                   : score_of(row.readings, self.options);
    }
  }
  return scores;
}

std::vector<ReasoningScore> grade_samples(RmGrader& grader, const Processor& processor, std::span<const Sample> samples,
                                          const std::stop_token& stop) {
  std::vector<ReasoningScore> scores(samples.size());
  std::vector<EncodedPrompt> prompts;
  std::vector<size_t> owners;
  for (size_t i = 0; i < samples.size(); ++i) {
    auto prompt = processor.encode(samples[i], /*generation_prompt=*/true);
    if (!prompt) {
      scores[i].detail = prompt.error().message;
      continue;
    }
    prompts.push_back(std::move(*prompt));
    owners.push_back(i);
  }
  std::vector<const EncodedPrompt*> pointers;
  for (const EncodedPrompt& prompt : prompts) pointers.push_back(&prompt);
  std::vector<ReasoningScore> graded = grader.grade(pointers, stop);
  for (size_t i = 0; i < graded.size(); ++i) scores[owners[i]] = std::move(graded[i]);
  return scores;
}

}  // namespace prosodia
