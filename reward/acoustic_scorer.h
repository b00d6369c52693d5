// AcousticScorer: grades reasoning against the measured prosody of the row, without any model. Deterministic, a few
// microseconds a response; useful alone (`--reasoning_scorer acoustic`), beside a reward model (`mean`), and as a check
// on one.
//
//   factual alignment       1 + 4 * precision of the checkable claims; 1 when nothing checkable is claimed
//   interpretative quality  1 + 4 * c * mean plausibility of the claimed cues for the emotion that is answered.
//                           c = 1; 0.5 when the reasoning ends on another emotion than the answer. 1 without a single
//                           known emotion as the answer, or without any cue that bears on it
//   caption completeness    1 + 4 * recall over the measured attributes
//   fluency, clarity        text_quality.h
//
// The row's label is not used (R_o does that): a fluent argument for a wrong answer is graded for what it claims. One
// exception: when the label itself is no emotion of the table, answers cannot be judged by it and count as plausible by
// half.
#pragma once

#include <string>

#include "data/base/status.h"
#include "data/prosody/levels.h"
#include "reward/faithfulness.h"
#include "reward/reasoning_scorer.h"
#include "reward/text_quality.h"

namespace prosodia {

struct AcousticScorerOptions {
  TextQualityOptions text;
};

// Thread rule: stateless; any number of threads.
class AcousticScorer : public ReasoningScorer {
 public:
  explicit AcousticScorer(AcousticScorerOptions options = {}) : options_(options) {}
  // kError for every response when the row has no "prosody" object, a malformed one, or one without any level.
  std::vector<ReasoningScore> score(const ScoringRequest& request, std::stop_token stop) override;
  std::string_view scorer_name() const override { return "acoustic"; }

 private:
  AcousticScorerOptions options_;
};

// The four grades of one response; `solution` is the row's label (may be empty).
ReasoningScore acoustic_score(std::string_view response, const ProsodyLevels& measured, std::string_view solution,
                              const AcousticScorerOptions& options = {});

// The row's "prosody" object. kInvalidInput, saying what is wrong, when it is absent, malformed or names no level.
Result<ProsodyLevels> measured_levels(const nlohmann::json& row);

}  // namespace prosodia
