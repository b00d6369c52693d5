#include "reward/trust.h"

#include <cmath>
#include <limits>

#include "data/base/check.h"

namespace prosodia {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Mean {
  double sum = 0;
  int64_t count = 0;
  void add(double value) {
    sum += value;
    ++count;
  }
  double value() const { return count ? sum / static_cast<double>(count) : kNaN; }
};

}  // namespace

Status validate(const TrustOptions& options) {
  const auto check = [](std::string_view option, double value) -> Status {
    if (value >= 0 && value <= 1) return {};
    return fail(ErrorCode::kUsage, "{}: expected a number in [0, 1], got {}", option, value);
  };
  PROSODIA_TRY(check("trust_all_correct", options.all_correct));
  PROSODIA_TRY(check("trust_all_wrong", options.all_wrong));
  return {};
}

std::string_view name(TrustCase trust_case) {
  switch (trust_case) {
    case TrustCase::kNoScores:
      return "no_scores";
    case TrustCase::kMixed:
      return "mixed";
    case TrustCase::kAllCorrect:
      return "all_correct";
    case TrustCase::kAllWrong:
      return "all_wrong";
  }
  return "?";
}

Trust trust_weight(std::span<const double> accuracy, std::span<const double> reasoning, const TrustOptions& options) {
  PROSODIA_CHECK(accuracy.size() == reasoning.size(), "{} answers, {} scores", accuracy.size(), reasoning.size());
  Mean correct, wrong;
  for (size_t i = 0; i < accuracy.size(); ++i) {
    if (std::isnan(reasoning[i])) continue;
    (accuracy[i] >= 0.5 ? correct : wrong).add(reasoning[i]);
  }
  Trust trust{kNaN, TrustCase::kNoScores, correct.value(), wrong.value()};
  if (correct.count && wrong.count) {
    trust.trust_case = TrustCase::kMixed;
    const double gap = trust.mean_correct - trust.mean_wrong;
    trust.tau = gap >= 0 ? 1.0 : std::exp(gap);
  } else if (correct.count) {
    trust.trust_case = TrustCase::kAllCorrect;
    trust.tau = options.all_correct;
  } else if (wrong.count) {
    trust.trust_case = TrustCase::kAllWrong;
    trust.tau = options.all_wrong;
  }
  if (!options.use_trust && trust.trust_case != TrustCase::kNoScores) trust.tau = 1.0;
  return trust;
}

}  // namespace prosodia
