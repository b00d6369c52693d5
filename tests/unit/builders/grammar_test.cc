// What the grammars write is read back claim for claim, whatever is to be said.
#include <gtest/gtest.h>

#include <set>

#include "data/builders/prompts.h"
#include "data/builders/reasoning_text.h"
#include "data/builders/transcript_words.h"
#include "data/builders/varied_grammar.h"
#include "data/corpus/emotions.h"
#include "data/prosody/word_times.h"
#include "reward/faithfulness.h"
#include "reward/plausibility.h"
#include "reward/rules.h"

namespace prosodia {
namespace {

ProsodyLevels random_cues(PhiloxStream& random, bool with_speaker) {
  static constexpr const char* kWords[] = {"chair", "old", "never", "train", "Kids", "don't"};
  ProsodyLevels cues;
  for (const Attribute attribute : kAcousticAttributes) {
    const auto names = level_names(attribute);
    if (random.next_below(4)) cues[attribute] = names[random.next_below(static_cast<uint32_t>(names.size()))];
  }
  if (cues.voice == "normal") cues.voice.clear();  // goes unsaid
  if (!with_speaker) return cues;
  if (random.next_below(2)) cues.gender = level_names(Attribute::kGender)[random.next_below(2)];
  if (random.next_below(3) == 0) cues.age = level_names(Attribute::kAge)[random.next_below(5)];
  if (random.next_below(2)) cues.stress = kWords[random.next_below(6)];
  if (!cues.stress.empty() && random.next_below(3) == 0) cues.stress += " bread";
  return cues;
}

// What the parser reads; a claim that contradicts another, or a negated one, fails the test.
ProsodyLevels read_back(const std::string& text) {
  ProsodyLevels read;
  std::set<std::string> stressed;
  for (const Claim& claim : parse_claims(text)) {
    EXPECT_FALSE(claim.negated) << text;
    if (claim.attribute == Attribute::kStress) {
      stressed.insert(claim.level);
      continue;
    }
    EXPECT_TRUE(read[claim.attribute].empty() || read[claim.attribute] == claim.level) << text;
    read[claim.attribute] = claim.level;
  }
  for (const std::string& word : stressed) read.stress += (read.stress.empty() ? "" : " ") + word;
  return read;
}

ProsodyLevels as_read(ProsodyLevels cues) {
  std::set<std::string> stressed;
  for (const std::string& word : split_words(cues.stress)) stressed.insert(word_key(word));
  cues.stress.clear();
  for (const std::string& word : stressed) cues.stress += (cues.stress.empty() ? "" : " ") + word;
  return cues;
}

ReasoningPlan random_plan(PhiloxStream& random) {
  ReasoningPlan plan;
  plan.cues = random_cues(random, true);
  for (const Attribute attribute : {Attribute::kPitch, Attribute::kIntonation, Attribute::kSpeed, Attribute::kEnergy}) {
    if (plan.cues[attribute].empty() && random.next_below(2)) plan.vague.push_back(attribute);
  }
  plan.link = static_cast<Link>(random.next_below(6));
  const size_t emotion = random.next_below(kEmotionCount);
  plan.emotion = emotion_profiles()[emotion].name;
  plan.argued_emotion = emotion_profiles()[(emotion + 1 + random.next_below(kEmotionCount - 1)) % kEmotionCount].name;
  return plan;
}

void expect_read_back(Grammar grammar, int rounds) {
  PhiloxStream random(17);
  for (int round = 0; round < rounds && !::testing::Test::HasFailure(); ++round) {
    ReasoningPlan plan = random_plan(random);
    if (grammar == Grammar::kSmall) plan.cues.age.clear();  // says nothing about it
    const std::string text = fmt::format("{}", fmt::join(plan_sentences(plan, grammar, random), " "));
    ASSERT_EQ(read_back(text), as_read(plan.cues)) << text;
    const auto named = last_emotion_named(text);
    switch (plan.link) {
      case Link::kExplained:
      case Link::kStated:
      case Link::kBare:
      case Link::kAgainst:
        ASSERT_EQ(named, emotion_from_text(plan.emotion)) << text;
        break;
      case Link::kElsewhere:
        ASSERT_EQ(named, emotion_from_text(plan.argued_emotion)) << text;
        break;
      case Link::kNoConclusion:
        // "The voice is a whisper" is no conclusion, but has the name of one.
        ASSERT_TRUE(!named || (*named == Emotion::kWhisper && plan.cues.voice == "whisper")) << text;
    }
  }
}

TEST(Grammars, SmallPlansAreReadBack) { expect_read_back(Grammar::kSmall, 6000); }
TEST(Grammars, VariedPlansAreReadBack) { expect_read_back(Grammar::kVaried, 12000); }

TEST(Grammars, VariedTextsDifferAndKeepTheFormat) {
  PhiloxStream random(3);
  ProsodyLevels cues{.pitch = "low", .energy = "low", .speed = "slow", .intonation = "falling", .voice = "normal"};
  cues.gender = "female";
  std::set<std::string> texts, words;
  for (int i = 0; i < 500; ++i) {
    const std::string text = varied_reasoning(cues, "sad", random);
    EXPECT_TRUE(format_reward(think_and_answer_text(text, "sad"))) << text;
    EXPECT_NE(text.find("sadness"), std::string::npos) << text;
    texts.insert(text);
    for (const std::string& word : split_words(text)) words.insert(word_key(word));
  }
  EXPECT_GE(texts.size(), 490u);
  EXPECT_GE(words.size(), 85u);
}

// A tiny model trained from scratch has to learn these words.
TEST(Grammars, TheSmallVocabularyStaysSmall) {
  PhiloxStream random(4);
  std::set<std::string> words;
  for (int i = 0; i < 5000; ++i) {
    const ProsodyLevels cues = random_cues(random, false);
    const std::string_view emotion = emotion_profiles()[random.next_below(kEmotionCount)].name;
    for (const std::string& word : split_words(small_reasoning(cues, emotion, random))) words.insert(word_key(word));
  }
  EXPECT_LE(words.size(), 55u);
}

TEST(Grammars, NothingToSayIsStillASentence) {
  PhiloxStream random(5);
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(parse_claims(varied_reasoning({}, "happy", random)).empty());
    EXPECT_FALSE(varied_reasoning({}, "happy", random).empty());
    EXPECT_FALSE(varied_reasoning({}, "homesick", random).empty()) << "an emotion that no table knows";
  }
}

}  // namespace
}  // namespace prosodia
