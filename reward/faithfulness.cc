#include "reward/faithfulness.h"

#include <limits>
#include <set>

#include "reward/rules.h"

namespace prosodia {
namespace {

using Levels = std::set<std::string, std::less<>>;

struct Statements {
  Levels asserted, denied;
};

struct Verdict {
  int checkable = 0, correct = 0;
  bool contradiction = false, recalled = false;
};

bool contradictory(const Statements& said, size_t num_levels) {
  if (said.asserted.size() > 1 || said.denied.size() >= num_levels) return true;
  return !said.asserted.empty() && said.denied.contains(*said.asserted.begin());
}

// Attributes whose levels exclude each other: all but stress.
Verdict judge_levels(Attribute attribute, Statements said, const std::string& measured) {
  const auto names = level_names(attribute);
  Verdict verdict;
  verdict.contradiction = contradictory(said, names.size());
  if (verdict.contradiction) {
    verdict.checkable = static_cast<int>(said.asserted.size() + said.denied.size());
    return verdict;
  }
  if (said.asserted.empty() && said.denied.size() + 1 == names.size()) {
    for (const std::string_view level : names) {
      if (!said.denied.contains(level)) said.asserted.emplace(level);
    }
    said.denied.clear();
  }
  if (!said.asserted.empty()) {
    verdict.checkable = 1;
    verdict.correct = *said.asserted.begin() == measured;
  }
  if (said.denied.contains(measured)) ++verdict.checkable;
  verdict.recalled = verdict.correct > 0;
  return verdict;
}

Levels stressed_words(const std::string& measured) {
  Levels stressed;
  const std::string words = normalize_answer(measured);
  for (size_t begin = 0; begin < words.size();) {
    const size_t end = std::min(words.find(' ', begin), words.size());
    stressed.insert(words.substr(begin, end - begin));
    begin = end + 1;
  }
  return stressed;
}

Verdict judge_stress(const Statements& said, const std::string& measured) {
  const Levels stressed = stressed_words(measured);
  Verdict verdict;
  for (const std::string& word : said.asserted) {
    ++verdict.checkable;
    verdict.correct += stressed.contains(word) && !said.denied.contains(word);
    verdict.contradiction |= said.denied.contains(word);
  }
  for (const std::string& word : said.denied) verdict.checkable += stressed.contains(word);
  verdict.recalled = verdict.correct > 0 && verdict.correct == verdict.checkable;
  return verdict;
}

using SaidByAttribute = std::array<Statements, kAttributes.size()>;

SaidByAttribute statements_of(std::span<const Claim> claims) {
  SaidByAttribute said;
  for (const Claim& claim : claims) {
    Statements& statements = said[static_cast<size_t>(claim.attribute)];
    (claim.negated ? statements.denied : statements.asserted).insert(claim.level);
  }
  return said;
}

bool demanded(Attribute attribute, const std::string& measured) {
  switch (attribute) {
    case Attribute::kPitch:
    case Attribute::kEnergy:
    case Attribute::kSpeed:
    case Attribute::kIntonation:
    case Attribute::kStress:
      return true;
    case Attribute::kVoice:
      return measured == "whisper";
    case Attribute::kGender:
    case Attribute::kAge:
      return false;
  }
  return false;
}

}  // namespace

Faithfulness check_claims(std::span<const Claim> claims, const ProsodyLevels& measured) {
  const SaidByAttribute said = statements_of(claims);
  Faithfulness result;
  for (const Attribute attribute : kAttributes) {
    const Statements& statements = said[static_cast<size_t>(attribute)];
    result.claims += static_cast<int>(statements.asserted.size() + statements.denied.size());
    const std::string& level = measured[attribute];
    if (level.empty()) continue;
    const Verdict verdict =
        attribute == Attribute::kStress ? judge_stress(statements, level) : judge_levels(attribute, statements, level);
    result.checkable += verdict.checkable;
    result.true_claims += verdict.correct;
    result.contradictions += verdict.contradiction;
    if (!demanded(attribute, level)) continue;
    ++result.measured_attributes;
    result.recalled_attributes += verdict.recalled;
  }
  if (result.checkable) result.precision = static_cast<double>(result.true_claims) / result.checkable;
  if (!result.measured_attributes) {
    result.recall = result.score = std::numeric_limits<double>::quiet_NaN();
    return result;
  }
  result.recall = static_cast<double>(result.recalled_attributes) / result.measured_attributes;
  const double sum = result.precision + result.recall;
  if (sum > 0) result.score = 2 * result.precision * result.recall / sum;
  return result;
}

std::vector<ClaimTruth> judge_claims(std::span<const Claim> claims, const ProsodyLevels& measured) {
  const SaidByAttribute said = statements_of(claims);
  std::vector<ClaimTruth> truths;
  for (const Claim& claim : claims) {
    const Statements& statements = said[static_cast<size_t>(claim.attribute)];
    const std::string& level = measured[claim.attribute];
    if (level.empty()) {
      truths.push_back(ClaimTruth::kUnmeasured);
      continue;
    }
    const bool is_stress = claim.attribute == Attribute::kStress;
    const bool contradicted = is_stress
                                  ? statements.asserted.contains(claim.level) && statements.denied.contains(claim.level)
                                  : contradictory(statements, level_names(claim.attribute).size());
    const bool has_level = is_stress ? stressed_words(level).contains(claim.level) : claim.level == level;
    truths.push_back(!contradicted && has_level != claim.negated ? ClaimTruth::kTrue : ClaimTruth::kFalse);
  }
  return truths;
}

}  // namespace prosodia
