// The reasoning that data/builders writes is read back claim for claim: what the cold start teaches, the reward checks.
#include <gtest/gtest.h>

#include <map>

#include "data/builders/prompts.h"
#include "data/builders/reasoning_text.h"
#include "data/corpus/emotions.h"
#include "reward/acoustic_scorer.h"
#include "reward/rules.h"

namespace prosodia {
namespace {

TEST(CorpusTexts, EveryCueIsReadBackAndNothingElse) {
  PhiloxStream random(8);
  for (int round = 0; round < 5000; ++round) {
    ProsodyLevels cues;
    for (const Attribute attribute : kAcousticAttributes) {
      const auto names = level_names(attribute);
      if (random.next_below(4)) cues[attribute] = names[random.next_below(static_cast<uint32_t>(names.size()))];
    }
    if (cues.voice == "normal") cues.voice.clear();  // goes unsaid
    const std::string_view emotion = emotion_profiles()[random.next_below(kEmotionCount)].name;
    const std::string text = think_and_answer_text(small_reasoning(cues, emotion, random), emotion);
    ASSERT_TRUE(format_reward(text)) << text;
    ProsodyLevels read;
    for (const Claim& claim : parse_claims(reasoning_text(text))) {
      ASSERT_FALSE(claim.negated) << text;
      ASSERT_TRUE(read[claim.attribute].empty()) << text;
      read[claim.attribute] = claim.level;
    }
    ASSERT_EQ(read, cues) << text;
  }
}

TEST(CorpusTexts, TypicalCuesGetHighGrades) {
  PhiloxStream random(9);
  ProsodyLevels happy;
  happy.pitch = happy.energy = "high";
  happy.speed = "fast";
  happy.intonation = "expressive";
  for (int round = 0; round < 100; ++round) {
    const std::string text = think_and_answer_text(small_reasoning(happy, "happy", random), "happy");
    EXPECT_EQ(acoustic_score(text, happy, "happy").criteria, (Criteria{5, 5, 5, 5})) << text;
  }
  ProsodyLevels whisper;
  whisper.voice = "whisper";
  whisper.energy = "low";
  whisper.speed = "slow";
  for (int round = 0; round < 100; ++round) {
    const std::string text = think_and_answer_text(small_reasoning(whisper, "whisper", random), "whisper");
    EXPECT_EQ(acoustic_score(text, whisper, "whisper").criteria, (Criteria{5, 5, 5, 5})) << text;
  }
}

}  // namespace
}  // namespace prosodia
