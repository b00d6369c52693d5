#include "reward/acoustic_scorer.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "data/prosody/levels_json.h"
#include "reward/plausibility.h"
#include "reward/rules.h"

namespace prosodia {
namespace {

constexpr double grade(double share) { return 1 + 4 * share; }

// Mean plausibility of the distinct cues that bear on the emotion; nothing when none does.
std::optional<double> cue_support(std::span<const Claim> claims, Emotion emotion) {
  std::set<std::pair<Attribute, std::string_view>> seen;
  double sum = 0;
  int count = 0;
  for (const Claim& claim : claims) {
    if (claim.negated || !seen.emplace(claim.attribute, claim.level).second) continue;
    const auto plausibility = cue_plausibility(emotion, claim.attribute, claim.level);
    if (!plausibility) continue;
    sum += *plausibility;
    ++count;
  }
  if (!count) return std::nullopt;
  return sum / count;
}

double interpretative_quality(std::string_view response, std::span<const Claim> claims, std::string_view solution) {
  const auto answer = extract_answer(response);
  if (!answer) return grade(0);
  const auto concluded = emotion_from_text(*answer);
  if (!concluded) {
    const bool foreign_labels = !solution.empty() && !emotion_from_text(solution);
    return grade(foreign_labels && !normalize_answer(*answer).empty() && !claims.empty() ? 0.5 : 0);
  }
  const auto support = cue_support(claims, *concluded);
  if (!support) return grade(0);
  const auto named = last_emotion_named(reasoning_text(response));
  return grade(*support * (named && *named != *concluded ? 0.5 : 1.0));
}

}  // namespace

ReasoningScore acoustic_score(std::string_view response, const ProsodyLevels& measured, std::string_view solution,
                              const AcousticScorerOptions& options) {
  const std::vector<Claim> claims = parse_claims(reasoning_text(response));
  const Faithfulness faithfulness = check_claims(claims, measured);
  if (!faithfulness.measured_attributes) {
    return {ScoreStatus::kError, {}, "the row's prosody has no level of pitch, energy, speed, intonation or stress"};
  }
  const Criteria criteria{grade(faithfulness.precision), interpretative_quality(response, claims, solution),
                          grade(faithfulness.recall), text_quality(response, options.text).grade()};
  return checked_score(criteria, fmt::format("{}/{} claims true, {}/{} attributes named", faithfulness.true_claims,
                                             faithfulness.checkable, faithfulness.recalled_attributes,
                                             faithfulness.measured_attributes));
}

Result<ProsodyLevels> measured_levels(const nlohmann::json& row) {
  const auto found = row.is_object() ? row.find("prosody") : row.end();
  if (!row.is_object() || found == row.end()) {
    return fail(ErrorCode::kInvalidInput,
                "the row has no \"prosody\" object to check claims against; `prosodia data annotate` and `data build` "
                "write one");
  }
  auto levels = levels_from_json(*found);
  if (!levels) return wrap(levels.error(), "in the row's \"prosody\"");
  const bool any = std::any_of(kAttributes.begin(), kAttributes.end(),
                               [&](Attribute attribute) { return !(*levels)[attribute].empty(); });
  if (!any) return fail(ErrorCode::kInvalidInput, "the row's \"prosody\" object names no level");
  return levels;
}

std::vector<ReasoningScore> AcousticScorer::score(const ScoringRequest& request, std::stop_token stop) {
  std::vector<ReasoningScore> scores(request.responses.size());
  const auto measured = measured_levels(request.row);
  if (!measured) {
    for (ReasoningScore& score : scores) score = {ScoreStatus::kError, {}, measured.error().message};
    return scores;
  }
  std::string solution;
  if (const auto found = request.row.find("solution"); found != request.row.end() && found->is_string()) {
    solution = found->get<std::string>();
  }
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i] = stop.stop_requested() ? ReasoningScore{ScoreStatus::kTimeout, {}, "stopped at the time limit"}
                                      : acoustic_score(request.responses[i], *measured, solution, options_);
  }
  return scores;
}

}  // namespace prosodia
