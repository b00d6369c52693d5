#include "data/builders/rm_plan.h"

#include <algorithm>
#include <numeric>

#include "data/builders/random_choice.h"
#include "data/builders/rubric.h"
#include "data/builders/transcript_words.h"
#include "data/prosody/cue_plausibility.h"
#include "data/prosody/word_times.h"

namespace prosodia {
namespace {

enum CriterionIndex : size_t { kFactual, kInterpretative, kCompleteness, kFluency };  // the order of kRmScoreKeys

constexpr int kCandidates = 32;  // plans looked at for the interpretative grade most needed

std::string other_level(Attribute attribute, const std::string& level, PhiloxStream& stream) {
  std::vector<std::string> others;
  for (std::string_view each : level_names(attribute)) {
    if (each != level) others.emplace_back(each);
  }
  return pick(others, stream);
}

// Words that could be stressed and are not.
std::vector<std::string> unstressed_words(const GradedUtterance& utterance) {
  ProsodyLevels all;
  all.stress = utterance.transcript;
  std::vector<std::string> words = nameable_stress(all);
  const std::vector<std::string> stressed = split_words(utterance.truth.stress);
  std::erase_if(words, [&](const std::string& word) {
    return std::any_of(stressed.begin(), stressed.end(),
                       [&](const std::string& other) { return word_key(other) == word_key(word); });
  });
  return words;
}

// How much of what: counts that give the wanted grades.
struct Amounts {
  int stated = 0, mentioned = 0;  // of the measured attributes
  int traits = 0;                 // gender, age
  int wrong = 0;                  // of stated + traits
};

class Planner {
 public:
  Planner(const GradedUtterance& utterance, Grammar grammar, bool is_right, const GradeBalance& balance,
          PhiloxStream& stream)
      : utterance_(utterance), is_right_(is_right), balance_(balance), stream_(stream) {
    measured_ = named_attributes(utterance.truth);
    if (!nameable_stress(utterance.truth).empty()) measured_.push_back(Attribute::kStress);
    if (!utterance.truth.gender.empty()) traits_.push_back(Attribute::kGender);
    if (!utterance.truth.age.empty() && grammar == Grammar::kVaried) traits_.push_back(Attribute::kAge);
  }

  std::optional<GradedPlan> run() {
    if (measured_.size() < 2) return std::nullopt;
    const Amounts amounts = choose_amounts();
    std::vector<GradedPlan> candidates;
    for (int i = 0; i < kCandidates; ++i) {
      if (auto candidate = draw(amounts)) candidates.push_back(std::move(*candidate));
    }
    for (int grade : balance_.by_need(is_right_, kInterpretative, stream_)) {
      for (GradedPlan& candidate : candidates) {
        if (!link_for(grade, candidate)) continue;
        candidate.scores[kInterpretative] = grade;
        candidate.scores[kCompleteness] = completeness_grade(amounts.stated, amounts.mentioned, measured_count());
        candidate.scores[kFactual] =
            factual_grade(amounts.stated + amounts.traits - amounts.wrong, amounts.stated + amounts.traits);
        candidate.scores[kFluency] = balance_.by_need(is_right_, kFluency, stream_)[0];
        return std::move(candidate);
      }
    }
    return std::nullopt;
  }

 private:
  int measured_count() const { return static_cast<int>(measured_.size()); }

  // A whisper cannot be stated wrongly: no other voice is ever named.
  int falsifiable(int claims) const { return claims - (utterance_.truth.voice == "whisper" ? 1 : 0); }

  // The completeness most needed that this utterance can have, then likewise the alignment.
  Amounts choose_amounts() {
    std::vector<Amounts> fitting;
    for (int grade : balance_.by_need(is_right_, kCompleteness, stream_)) {
      for (int stated = 1; stated <= measured_count(); ++stated) {
        for (int mentioned = 0; mentioned <= std::min(1, measured_count() - stated); ++mentioned) {
          if (completeness_grade(stated, mentioned, measured_count()) == grade) fitting.push_back({stated, mentioned});
        }
      }
      if (!fitting.empty()) break;
    }
    const Amounts chosen = pick(fitting, stream_);
    fitting.clear();
    for (int grade : balance_.by_need(is_right_, kFactual, stream_)) {
      for (int traits = 0; traits <= static_cast<int>(traits_.size()); ++traits) {
        const int claims = chosen.stated + traits;
        for (int wrong = 0; wrong <= falsifiable(claims); ++wrong) {
          if (factual_grade(claims - wrong, claims) == grade) {
            fitting.push_back({chosen.stated, chosen.mentioned, traits, wrong});
          }
        }
      }
      if (!fitting.empty()) break;
    }
    return pick(fitting, stream_);
  }

  // One way of stating that much, with an answer.
  std::optional<GradedPlan> draw(const Amounts& amounts) {
    GradedPlan result;
    result.is_right = is_right_;
    std::vector<Attribute> order = measured_, traits = traits_;
    shuffle(order, stream_);
    shuffle(traits, stream_);
    std::vector<Attribute> claimed(order.begin(), order.begin() + amounts.stated);
    claimed.insert(claimed.end(), traits.begin(), traits.begin() + amounts.traits);
    for (size_t i = static_cast<size_t>(amounts.stated); i < order.size(); ++i) {
      const bool mentioned = i < static_cast<size_t>(amounts.stated + amounts.mentioned);
      if (mentioned) result.plan.vague.push_back(order[i]);
      result.degradations.push_back(fmt::format("{}: {}", attribute_name(order[i]),
                                                mentioned ? "mentioned without saying how it is" : "left out"));
    }
    shuffle(claimed, stream_);
    int wrong = 0;
    for (Attribute attribute : claimed) {
      std::string& level = result.plan.cues[attribute];
      level = utterance_.truth[attribute];
      if (attribute == Attribute::kStress) level = pick(nameable_stress(utterance_.truth), stream_);
      if (wrong < amounts.wrong && falsify(attribute, level)) {
        ++wrong;
        result.degradations.push_back(
            fmt::format("{}: {} -> {}", attribute_name(attribute), utterance_.truth[attribute], level));
      }
    }
    if (wrong < amounts.wrong) return std::nullopt;
    result.answer = utterance_.emotion;
    if (!is_right_) result.answer = name(other_than(utterance_.emotion));
    result.plan.emotion = result.answer;
    return result;
  }

  bool falsify(Attribute attribute, std::string& level) {
    if (attribute == Attribute::kVoice) return false;
    if (attribute == Attribute::kStress) {
      const std::vector<std::string> others = unstressed_words(utterance_);
      if (others.empty()) return false;
      level = pick(others, stream_);
      return true;
    }
    level = other_level(attribute, level, stream_);
    return true;
  }

  Emotion other_than(std::string_view emotion) {
    std::vector<Emotion> others;
    for (size_t i = 0; i < kNumEmotions; ++i) {
      if (name(static_cast<Emotion>(i)) != emotion) others.push_back(static_cast<Emotion>(i));
    }
    return pick(others, stream_);
  }

  // Mean plausibility of the stated cues for the emotion; cues that say nothing about any are no support.
  static double support(const ProsodyLevels& cues, Emotion emotion) {
    double sum = 0;
    int count = 0;
    for (Attribute attribute : named_attributes(cues)) {
      if (const auto value = cue_plausibility(emotion, attribute, cues[attribute])) {
        sum += *value;
        ++count;
      }
    }
    return count > 0 ? sum / count : 0;
  }

  // The emotion other than the answer that the stated cues fit best.
  std::string best_other(const GradedPlan& candidate) {
    double best = -1;
    std::string found;
    for (size_t i = 0; i < kNumEmotions; ++i) {
      const auto emotion = static_cast<Emotion>(i);
      const double value = support(candidate.plan.cues, emotion) + 0.1 * stream_.next_unit();
      if (name(emotion) != candidate.answer && value > best) {
        best = value;
        found = name(emotion);
      }
    }
    return found;
  }

  // Sets the link that earns the grade, if the candidate's cues allow it.
  bool link_for(int grade, GradedPlan& candidate) {
    const auto answer = emotion_from_name(candidate.answer);
    const double s = answer ? support(candidate.plan.cues, *answer) : 0;
    ReasoningPlan& plan = candidate.plan;
    const bool mixed = s >= kSupportAgainst && s < kSupportToSuggest, coin = stream_.next_below(2) == 0;
    switch (grade) {
      case 5:
        if (s < kSupportToExplain) return false;
        plan.link = Link::kExplained;
        return true;
      case 4:
        if (s < kSupportToSuggest) return false;
        plan.link = Link::kStated;
        candidate.degradations.emplace_back("conclusion: not explained");
        return true;
      case 3:
        if (s < kSupportAgainst) return false;
        plan.link = mixed ? Link::kStated : Link::kBare;
        candidate.degradations.emplace_back(mixed ? "conclusion: mixed evidence" : "conclusion: no link to the cues");
        return true;
      case 2:
        plan.link = s < kSupportAgainst && coin ? Link::kStated : Link::kAgainst;
        break;
      default:
        plan.link = coin ? Link::kElsewhere : Link::kNoConclusion;
    }
    if (plan.link == Link::kStated) candidate.degradations.emplace_back("conclusion: the cues speak against it");
    if (plan.link == Link::kNoConclusion) candidate.degradations.emplace_back("conclusion: none");
    if (plan.link == Link::kAgainst || plan.link == Link::kElsewhere) {
      plan.argued_emotion = best_other(candidate);
      candidate.degradations.push_back(
          fmt::format("conclusion: argues for {}, answers {}", plan.argued_emotion, candidate.answer));
    }
    return true;
  }

  const GradedUtterance& utterance_;
  const bool is_right_;
  const GradeBalance& balance_;
  PhiloxStream& stream_;
  std::vector<Attribute> measured_, traits_;
};

}  // namespace

std::array<int, 5> GradeBalance::by_need(bool is_right, size_t criterion, PhiloxStream& stream) const {
  const std::array<int, 5>& counts = counts_[is_right ? 1 : 0][criterion];
  std::vector<int> grades = {1, 2, 3, 4, 5};
  shuffle(grades, stream);
  std::stable_sort(grades.begin(), grades.end(), [&](int a, int b) {
    return counts[static_cast<size_t>(a - 1)] < counts[static_cast<size_t>(b - 1)];
  });
  std::array<int, 5> result{};
  std::copy(grades.begin(), grades.end(), result.begin());
  return result;
}

void GradeBalance::count(bool is_right, const RmScores& scores) {
  for (size_t j = 0; j < kNumRmScores; ++j) ++counts_[is_right ? 1 : 0][j][static_cast<size_t>(scores[j] - 1)];
}

std::optional<GradedPlan> plan_graded(const GradedUtterance& utterance, Grammar grammar, bool is_right,
                                      GradeBalance& balance, PhiloxStream& stream) {
  std::optional<GradedPlan> plan = Planner(utterance, grammar, is_right, balance, stream).run();
  if (plan) balance.count(is_right, plan->scores);
  return plan;
}

}  // namespace prosodia
