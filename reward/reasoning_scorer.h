// ReasoningScorer: who grades a response's reasoning on the four criteria of EmotionThinker (arXiv 2601.15668).
//
// Implementations: AcousticScorer (acoustic_scorer.h), MeanScorer (mean_scorer.h), the reward model (workers/reward).
// Called by the reward worker, by `eval`, and in tests. A grade is a value, a timeout, an unparsable answer or an
// error; none of the latter three is ever turned into a number.
//
// Scores are a pure function of the request, so the same request brings the same grades and the same unparsable answer.
// The coordinator counts on it: it has a group scored again for timeouts and errors, never for an unparsable answer. A
// judge that samples must therefore ask itself again before it says kUnparsable.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace prosodia {

enum class Criterion : uint8_t {
  kFactualAlignment,          // do the stated cues agree with the sound?
  kInterpretativeQuality,     // do the cues support the emotion that is concluded?
  kCaptionCompleteness,       // how many of the measured attributes are named (rightly)?
  kFluencyStructuralClarity,  // readable, ordered, neither empty nor repeating itself?
};
inline constexpr size_t kNumCriteria = 4;
std::string_view name(Criterion criterion);  // "factual_alignment", …: metric and JSON keys

using Criteria = std::array<double, kNumCriteria>;  // indexed by Criterion; each in [1, 5]

enum class ScoreStatus : uint8_t {
  kValue,         // `criteria` holds four finite values in [1, 5]
  kTimeout,       // no answer within the time limit
  kUnparsable,    // the judge answered, but not with four grades; it would again
  kError,         // the judge failed, or this row cannot be judged
  kNotRequested,  // nobody asked (the gate is shut); not a failure
};
std::string_view name(ScoreStatus status);  // "value", "timeout", "unparsable", "error", "not_requested"

struct ReasoningScore {
  ScoreStatus status = ScoreStatus::kError;
  Criteria criteria{};  // meaningful for kValue only
  std::string detail;   // why there is no value; for a value, a short justification for the samples log (may be empty)
};

struct ScoringRequest {
  const nlohmann::json& row;               // the dataset row: messages, audios, solution, prosody, … whole
  std::span<const std::string> responses;  // raw response texts, think and answer tags included; bytes may be anything
};

// Thread rule: one call at a time for one object; the caller serialises. The object may be called from any thread.
class ReasoningScorer {
 public:
  virtual ~ReasoningScorer() = default;
  // One score for each response, in order; never throws, never returns fewer. `stop` is requested when the caller's
  // time limit has passed: a long-running scorer looks at it between responses and returns kTimeout for the rest.
  virtual std::vector<ReasoningScore> score(const ScoringRequest& request, std::stop_token stop) = 0;
  virtual std::string_view scorer_name() const = 0;  // the word of --reasoning_scorer
};

// A value with four finite grades in [1, 5], or kUnparsable saying which grade is out of range: what every scorer
// returns through, so that no NaN and no 0 reaches a reward.
ReasoningScore checked_score(const Criteria& criteria, std::string detail = {});

}  // namespace prosodia
