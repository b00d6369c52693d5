// acoustic_scorer.h, plausibility.h, text_quality.h.
#include "reward/acoustic_scorer.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "reward/plausibility.h"

namespace prosodia {
namespace {

using nlohmann::json;

const json kHappyRow = {
    {"solution", "happy"},
    {"prosody", {{"pitch", "high"}, {"energy", "high"}, {"speed", "fast"}, {"intonation", "expressive"}}}};

std::string respond(const std::string& think, const std::string& answer) {
  return "<think>" + think + "</think><answer>" + answer + "</answer>";
}

ReasoningScore score(const std::string& response, const json& row = kHappyRow) {
  AcousticScorer scorer;
  const std::vector<std::string> responses{response};
  return scorer.score({row, responses}, {}).at(0);
}

double grade(const ReasoningScore& score, Criterion criterion) {
  return score.criteria[static_cast<size_t>(criterion)];
}

const std::string kGood =
    "The pitch is high and the energy is high. The pace is fast with an expressive intonation, which suggests joy.";

TEST(AcousticScorer, PerfectReasoningGetsFives) {
  const auto result = score(respond(kGood, "happy"));
  ASSERT_EQ(result.status, ScoreStatus::kValue);
  EXPECT_EQ(result.criteria, (Criteria{5, 5, 5, 5})) << result.detail;
  EXPECT_EQ(result.detail, "4/4 claims true, 4/4 attributes named");
}

TEST(AcousticScorer, FabricatedCuesLoseFactualAlignmentOnly) {
  const auto result = score(
      respond("The pitch is high and the energy is low. The pace is slow with a flat intonation, which suggests joy.",
              "happy"));
  EXPECT_EQ(grade(result, Criterion::kFactualAlignment), 2);
  EXPECT_EQ(grade(result, Criterion::kCaptionCompleteness), 2);
  EXPECT_LT(grade(result, Criterion::kInterpretativeQuality), 3);  // these cues do not speak for joy
  EXPECT_EQ(grade(result, Criterion::kFluencyStructuralClarity), 5);
}

TEST(AcousticScorer, CuesAreWeighedForTheConclusionNotTheLabel) {
  const auto happy = score(respond(kGood, "happy")), sad = score(respond(kGood, "sad"));
  EXPECT_EQ(grade(sad, Criterion::kFactualAlignment), 5);
  EXPECT_EQ(grade(sad, Criterion::kInterpretativeQuality), 1);
  EXPECT_EQ(grade(happy, Criterion::kInterpretativeQuality), 5);
}

TEST(AcousticScorer, ConclusionMustBeDrawnAndAgree) {
  EXPECT_EQ(grade(score("<think>" + kGood + "</think>"), Criterion::kInterpretativeQuality), 1);
  EXPECT_EQ(grade(score(respond(kGood, "blargh")), Criterion::kInterpretativeQuality), 1);
  EXPECT_EQ(grade(score(respond(kGood + " No, it is anger.", "happy")), Criterion::kInterpretativeQuality), 3);
  EXPECT_EQ(grade(score(respond("I just know it, believe me please.", "happy")), Criterion::kInterpretativeQuality), 1);
}

TEST(AcousticScorer, ForeignLabelSetIsJudgedHalf) {
  json row = kHappyRow;
  row["solution"] = "boredom";
  EXPECT_EQ(grade(score(respond(kGood, "boredom"), row), Criterion::kInterpretativeQuality), 3);
}

TEST(AcousticScorer, EmptyReasoningGetsOnesNotZero) {
  const auto result = score(respond("", "happy"));
  ASSERT_EQ(result.status, ScoreStatus::kValue);
  EXPECT_EQ(result.criteria, (Criteria{1, 1, 1, 1}));
  EXPECT_EQ(score("").status, ScoreStatus::kValue);
}

TEST(AcousticScorer, RowsThatCannotBeJudgedAreErrors) {
  for (const json& row : {json::object(), json(nullptr), json::array(), json{{"prosody", "high"}},
                          json{{"prosody", json::object()}}, json{{"prosody", {{"pitch", "shrill"}}}},
                          json{{"prosody", {{"pitch", 3}}}}, json{{"prosody", {{"gender", "male"}}}}}) {
    const auto result = score(respond(kGood, "happy"), row);
    EXPECT_EQ(result.status, ScoreStatus::kError) << row.dump();
    EXPECT_NE(result.detail.find("prosody"), std::string::npos) << result.detail;
  }
}

TEST(AcousticScorer, StopsWhenAsked) {
  AcousticScorer scorer;
  std::stop_source stop;
  stop.request_stop();
  const std::vector<std::string> responses{"a", "b"};
  for (const auto& result : scorer.score({kHappyRow, responses}, stop.get_token())) {
    EXPECT_EQ(result.status, ScoreStatus::kTimeout);
  }
}

TEST(TextQuality, CollapsesAreFound) {
  const double good = text_quality(respond(kGood, "happy")).grade();
  EXPECT_EQ(good, 5);
  std::string loop;
  for (int i = 0; i < 30; ++i) loop += "The pitch is high. ";
  EXPECT_LT(text_quality(respond(loop, "happy")).grade(), 1.5);
  std::string endless;
  for (int i = 0; i < 500; ++i) endless += "word" + std::to_string(i) + " ";
  EXPECT_EQ(text_quality(respond(endless + ".", "happy")).grade(), 1);
  EXPECT_LT(text_quality(respond("High pitch.", "happy")).grade(), 3);          // too short
  EXPECT_LT(text_quality("<think>" + kGood).grade(), good);                     // no form
  EXPECT_LT(text_quality(respond(kGood + " and then it", "x")).grade(), good);  // cut off
  EXPECT_LT(text_quality(respond("#### $$$$ //// @@@@ high !!!! ==== ++++ ~~~~.", "x")).grade(), good);
  EXPECT_EQ(text_quality("").grade(), 1);
}

TEST(Plausibility, PrototypesPreferTheirEmotion) {
  struct Prototype {
    Emotion emotion;
    std::string_view pitch, energy, speed, intonation;
  };
  const Prototype prototypes[] = {
      {Emotion::kNeutral, "normal", "normal", "normal", "flat"},
      {Emotion::kHappy, "high", "high", "fast", "expressive"},
      {Emotion::kSad, "low", "low", "slow", "falling"},
      {Emotion::kAngry, "high", "high", "fast", "falling"},
      {Emotion::kContemptOrDisgust, "low", "normal", "slow", "falling-rising"},
      {Emotion::kConfused, "normal", "normal", "slow", "rising"},
      {Emotion::kSurprise, "high", "high", "normal", "rising"},
      {Emotion::kFear, "high", "low", "fast", "flat"},
  };
  for (const Prototype& cues : prototypes) {
    const auto support = [&](Emotion emotion) {
      return cue_plausibility(emotion, Attribute::kPitch, cues.pitch).value() +
             cue_plausibility(emotion, Attribute::kEnergy, cues.energy).value() +
             cue_plausibility(emotion, Attribute::kSpeed, cues.speed).value() +
             cue_plausibility(emotion, Attribute::kIntonation, cues.intonation).value();
    };
    EXPECT_EQ(support(cues.emotion), 4) << name(cues.emotion);
    for (const Prototype& other : prototypes) {
      if (other.emotion == cues.emotion) continue;
      EXPECT_LT(support(other.emotion), 4) << name(other.emotion);
    }
  }
  EXPECT_EQ(cue_plausibility(Emotion::kWhisper, Attribute::kVoice, "whisper"), 1);
  EXPECT_FALSE(cue_plausibility(Emotion::kWhisper, Attribute::kPitch, "high"));
  EXPECT_FALSE(cue_plausibility(Emotion::kHappy, Attribute::kStress, "never"));
  EXPECT_FALSE(cue_plausibility(Emotion::kHappy, Attribute::kPitch, "no such level"));
}

TEST(Plausibility, EmotionNames) {
  for (size_t i = 0; i < kNumEmotions; ++i) {
    EXPECT_EQ(emotion_from_text(name(static_cast<Emotion>(i))), static_cast<Emotion>(i));
  }
  EXPECT_EQ(emotion_from_text(" Disgust\n"), Emotion::kContemptOrDisgust);
  EXPECT_FALSE(emotion_from_text("boredom"));
  EXPECT_EQ(last_emotion_named("not happy but sad, I think"), Emotion::kSad);
  EXPECT_EQ(last_emotion_named("this is contempt or disgust"), Emotion::kContemptOrDisgust);
  EXPECT_FALSE(last_emotion_named("unhappy saddle"));
}

}  // namespace
}  // namespace prosodia
