// The trust weight tau of GRPO-PTR (arXiv 2601.15668): how far a group's reasoning grades may be believed.
//
// C = responses answered rightly (R_o >= 0.5) with an R_t, W = the others with one.
//   both non-empty: tau = 1 if mean R_t(C) >= mean R_t(W), else exp(mean R_t(C) - mean R_t(W)), in [e^-0.8, 1]
//   W empty: tau = all_correct        C empty: tau = all_wrong        (the paper leaves both open)
// Pure; thread-safe.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "data/base/status.h"

namespace prosodia {

struct TrustOptions {
  bool use_trust = true;     // false: tau = 1 always, the paper's "without trust" ablation
  double all_correct = 1.0;  // --trust_all_correct, [0, 1]
  double all_wrong = 0.0;    // --trust_all_wrong, [0, 1]; 0: good-sounding wrong answers earn nothing
};
Status validate(const TrustOptions& options);  // kUsage, naming the option

enum class TrustCase : uint8_t {
  kNoScores,    // no response has an R_t: tau is NaN and multiplies nothing
  kMixed,       // C and W both have scores
  kAllCorrect,  // W empty
  kAllWrong,    // C empty
};
std::string_view name(TrustCase trust_case);  // "no_scores", "mixed", "all_correct", "all_wrong"

struct Trust {
  double tau = 0;
  TrustCase trust_case = TrustCase::kNoScores;
  double mean_correct = 0, mean_wrong = 0;  // mean R_t of C and W; NaN where the set is empty
};

// accuracy[i] is R_o, reasoning[i] is R_t in [0.2, 1] or NaN for "no value". One length.
Trust trust_weight(std::span<const double> accuracy, std::span<const double> reasoning, const TrustOptions& options);

}  // namespace prosodia
