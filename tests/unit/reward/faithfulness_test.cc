#include "reward/faithfulness.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <string>

#include "data/base/philox.h"

namespace prosodia {
namespace {

// "pitch=high !speed=fast": in text order, '!' for a negated claim.
std::string claims_of(std::string_view text) {
  std::string out;
  for (const Claim& claim : parse_claims(text)) {
    if (!out.empty()) out += ' ';
    out += (claim.negated ? "!" : "") + std::string(attribute_name(claim.attribute)) + "=" + claim.level;
  }
  return out;
}

struct Reading {
  const char* text;
  const char* claims;
};

void expect_readings(std::initializer_list<Reading> readings) {
  for (const auto& [text, claims] : readings) EXPECT_EQ(claims_of(text), claims) << text;
}

TEST(ParseClaims, PlainStatements) {
  expect_readings({
      {"The pitch is high.", "pitch=high"},
      {"high pitch", "pitch=high"},
      {"pitch: high, energy: low; speed - fast", "pitch=high energy=low speed=fast"},
      {R"({"pitch": "high", "energy": "normal"})", "pitch=high energy=normal"},
      {"Pitch is HIGH, energy low, and speed fast.", "pitch=high energy=low speed=fast"},
      {"- pitch: low\n- energy: low\n- intonation: flat", "pitch=low energy=low intonation=flat"},
      {"The pitch is high and the energy is low.", "pitch=high energy=low"},
      {"The pitch is high with low energy.", "pitch=high energy=low"},
      {"a high pitch and a fast pace", "pitch=high speed=fast"},
      {"The energy is normal.", "energy=normal"},
      {"The speaking rate is moderate.", "speed=normal"},
      {"an average speech rate", "speed=normal"},
      {"The volume is elevated", "energy=high"},
      {"The pace is high.", "speed=fast"},
      {"a low tempo", "speed=slow"},
      {"the fundamental frequency is reduced", "pitch=low"},
      {"high in pitch but low in volume", "pitch=high energy=low"},
      {"a high level of energy", "energy=high"},
      {"The pitch is higher than normal.", "pitch=high"},
      {"pitch is above average", "pitch=high"},
      {"a low but rising pitch", "pitch=low intonation=rising"},
      {"the intonation is falling-rising", "intonation=falling-rising"},
  });
}

TEST(ParseClaims, WordsThatNameTheirAttribute) {
  expect_readings({
      {"He speaks loudly and quickly.", "energy=high speed=fast"},
      {"She speaks softly.", "energy=low"},
      {"A loud, fast voice.", "energy=high speed=fast"},
      {"The delivery is monotone.", "intonation=flat"},
      {"slow speech", "speed=slow"},
      {"spoken in a whisper", "voice=whisper"},
      {"The voice is whispered.", "voice=whisper"},
      {"a high-pitched, rapid delivery", "pitch=high speed=fast"},
      {"The voice is normal.", "voice=normal"},
      {"a quiet voice", "energy=low"},
      {"he is shouting", "energy=high"},
  });
}

TEST(ParseClaims, Movements) {
  expect_readings({
      {"The pitch rises at the end.", "intonation=rising"},
      {"The intonation rises and then falls.", "intonation=rising-falling"},
      {"the pitch falls, then rises", "intonation=falling-rising"},
      {"A rising-falling contour", "intonation=rising-falling"},
      {"the pitch goes from low to high", "intonation=rising"},
      {"the pitch moves from high to low", "intonation=falling"},
      {"the energy goes from low to high", ""},
      {"the energy is rising", ""},
      {"rising energy", ""},
      {"a flat tone", "intonation=flat"},
      {"an expressive intonation", "intonation=expressive"},
  });
}

TEST(ParseClaims, SeveralAttributesShareALevel) {
  expect_readings({
      {"Pitch and energy are high.", "pitch=high energy=high"},
      {"Pitch, energy and speed are all normal.", "pitch=normal energy=normal speed=normal"},
      {"high pitch and energy", "pitch=high energy=high"},
      {"high pitch and low energy", "pitch=high energy=low"},
      {"Pitch and energy are high and low, respectively.", "pitch=high energy=low"},
  });
}

std::vector<std::string> sorted_words(const std::string& text) {
  std::vector<std::string> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  std::sort(words.begin(), words.end());
  return words;
}

TEST(ParseClaims, Negation) {
  const Reading readings[] = {
      {"The pitch is not high.", "!pitch=high"},
      {"The pitch isn't very high.", "!pitch=high"},
      {"The pitch isn’t high.", "!pitch=high"},
      {"The pitch is neither high nor low.", "!pitch=high !pitch=low"},
      {"Neither the pitch nor the energy is high.", "!pitch=high !energy=high"},
      {"without a rising intonation", "!intonation=rising"},
      {"The speech is not fast, and the energy is low.", "!speed=fast energy=low"},
      {"The pitch is not high and the speed is fast.", "!pitch=high speed=fast"},
      {"The pitch is not low but high.", "!pitch=low pitch=high"},
      {"not high or low in pitch", "!pitch=high !pitch=low"},
      {"The pitch is not only high but also rising.", "pitch=high intonation=rising"},
      {"There is no whispering.", "!voice=whisper"},
      {"Low rather than high pitch.", "pitch=low !pitch=high"},
  };
  for (const auto& [text, claims] : readings) EXPECT_EQ(sorted_words(claims_of(text)), sorted_words(claims)) << text;
}

TEST(ParseClaims, OtherThingsAreNotClaims) {
  expect_readings({
      {"", ""},
      {"The speaker is in high spirits.", ""},
      {"The emotion is neutral.", ""},
      {"high arousal and low confidence", ""},
      {"The emotional intensity is high.", ""},
      {"The pitch is high, suggesting low confidence.", "pitch=high"},
      {"The pitch is high, so the emotion is neutral.", "pitch=high"},
      {"So the emotion is whisper.", ""},
      {"a soft spot for quick wins", ""},
      {"He is under stress and stressed.", ""},
      {R"(The speaker says "I am low on energy today".)", ""},
      {"<think>", ""},
  });
}

TEST(ParseClaims, Stress) {
  expect_readings({
      {"There is stress on 'never'.", "stress=never"},
      {"Emphasis falls on the words never and again.", "stress=never stress=again"},
      {R"(The word "Never" is emphasized.)", "stress=never"},
      {"stressed words: never, again", "stress=never stress=again"},
      {"The stress is on never.", "stress=never"},
      {"emphasis on emotional content", ""},
      {"no stress on 'high'", "!stress=high"},
  });
}

TEST(ParseClaims, SpansPointAtTheWords) {
  const std::string text = "Its “pitch” is clearly high — the pace, fast.";
  const auto claims = parse_claims(text);
  ASSERT_EQ(claims.size(), 2u);
  EXPECT_EQ(text.substr(claims[0].begin, claims[0].end - claims[0].begin), "high");
  EXPECT_EQ(text.substr(claims[1].begin, claims[1].end - claims[1].begin), "fast");
}

// What the dataset builders write from levels.h must be read back: every level, in the three plain forms.
TEST(ParseClaims, ReadsTheSharedVocabulary) {
  for (const Attribute attribute : kAcousticAttributes) {
    const std::string noun(attribute_name(attribute));
    for (const std::string_view level : level_names(attribute)) {
      const std::string word(level), expected = noun + "=" + word;
      EXPECT_EQ(claims_of("The " + noun + " is " + word + "."), expected);
      EXPECT_EQ(claims_of(noun + ": " + word), expected);
      EXPECT_EQ(claims_of(word + " " + noun), expected);
    }
    for (const LevelWord& word : level_words(attribute)) {
      const std::string expected = noun + "=" + std::string(word.level);
      EXPECT_EQ(claims_of("the " + noun + " is " + std::string(word.word)), expected);
      if (word.names_attribute) {
        EXPECT_EQ(claims_of("it is " + std::string(word.word)), expected);
      }
    }
  }
}

ProsodyLevels levels(std::string pitch, std::string energy, std::string speed, std::string intonation,
                     std::string voice = "normal") {
  ProsodyLevels measured;
  measured.pitch = pitch;
  measured.energy = energy;
  measured.speed = speed;
  measured.intonation = intonation;
  measured.voice = voice;
  return measured;
}

Faithfulness check(std::string_view text, const ProsodyLevels& measured) {
  return check_claims(parse_claims(text), measured);
}

TEST(CheckClaims, CountsTrueOnes) {
  const auto measured = levels("high", "low", "fast", "rising");
  const auto perfect = check("High pitch, low energy, fast pace, rising intonation.", measured);
  EXPECT_EQ(perfect.checkable, 4);
  EXPECT_EQ(perfect.score, 1);
  const auto half = check("The pitch is high. The energy is high.", measured);
  EXPECT_EQ(half.checkable, 2);
  EXPECT_EQ(half.true_claims, 1);
  EXPECT_EQ(half.precision, 0.5);
  EXPECT_EQ(half.recall, 0.25);
  EXPECT_DOUBLE_EQ(half.score, 2 * 0.5 * 0.25 / 0.75);
  const auto silent = check("I think so.", measured);
  EXPECT_EQ(silent.claims, 0);
  EXPECT_EQ(silent.score, 0);
  EXPECT_EQ(silent.recall, 0);
}

TEST(CheckClaims, RepetitionGainsNothing) {
  const auto measured = levels("high", "low", "fast", "rising");
  std::string text = "The energy is high. ";
  for (int i = 0; i < 50; ++i) text += "The pitch is high. ";
  EXPECT_EQ(check(text, measured).precision, 0.5);
}

TEST(CheckClaims, HedgingOverLevelsGainsNothing) {
  const auto measured = levels("high", "low", "fast", "rising");
  const auto hedge = check("The pitch is high. The pitch is normal. The pitch is low.", measured);
  EXPECT_EQ(hedge.contradictions, 1);
  EXPECT_EQ(hedge.checkable, 3);
  EXPECT_EQ(hedge.true_claims, 0);
  EXPECT_EQ(hedge.score, 0);
  const auto denied = check("The pitch is high. The pitch is not high.", measured);
  EXPECT_EQ(denied.contradictions, 1);
  EXPECT_EQ(denied.true_claims, 0);
}

TEST(CheckClaims, Negations) {
  const auto measured = levels("normal", "low", "fast", "rising");
  const auto elimination = check("The pitch is neither high nor low.", measured);
  EXPECT_EQ(elimination.checkable, 1);
  EXPECT_EQ(elimination.true_claims, 1);
  EXPECT_EQ(elimination.recalled_attributes, 1);
  EXPECT_EQ(check("The pitch is not high.", measured).checkable, 0);  // true, and too little to earn anything
  const auto wrong = check("The energy is not low.", measured);       // false
  EXPECT_EQ(wrong.checkable, 1);
  EXPECT_EQ(wrong.true_claims, 0);
  EXPECT_EQ(check("The pitch is not low but normal.", measured).precision, 1);
}

TEST(CheckClaims, OnlyWhatWasMeasuredCounts) {
  ProsodyLevels whisper = levels("", "low", "slow", "", "whisper");
  const auto result = check("A whisper with high pitch, low energy and slow pace.", whisper);
  EXPECT_EQ(result.claims, 4);
  EXPECT_EQ(result.checkable, 3);
  EXPECT_EQ(result.score, 1);
  EXPECT_EQ(result.measured_attributes, 3);
  EXPECT_EQ(check("low energy", levels("low", "low", "slow", "flat")).measured_attributes, 4);  // voice goes unsaid
  const auto nothing = check("high pitch", ProsodyLevels{});
  EXPECT_TRUE(std::isnan(nothing.recall) && std::isnan(nothing.score));
  EXPECT_EQ(nothing.checkable, 0);
}

TEST(CheckClaims, StressedWords) {
  ProsodyLevels measured;
  measured.stress = "Never again";
  EXPECT_EQ(check("stress on 'never'", measured).score, 1);
  const auto half = check("stressed words: never, today", measured);
  EXPECT_EQ(half.checkable, 2);
  EXPECT_EQ(half.true_claims, 1);
  EXPECT_EQ(half.recalled_attributes, 0);
  EXPECT_EQ(check("no stress on 'never'", measured).true_claims, 0);
}

// Any bytes: no crash, bounds hold, spans lie in the text, and the time is linear.
TEST(Faithfulness, PropertiesOnRandomText) {
  const std::string words[] = {"pitch", "energy",  "high",  "low",  "not", "neither", "nor",  "and", "is", "the",
                               ",",     ".",       "fast",  "from", "to",  "rising",  "'",    "\"",  "’",  "\xff",
                               "than",  "falling", "voice", "or",   "but", "stress",  "word", "on",  "a",  "whisper"};
  PhiloxStream random(3);
  const auto measured = levels("high", "low", "fast", "rising");
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (uint32_t n = random.next_below(40); n > 0; --n) {
      text += words[random.next_below(30)];
      if (random.next_below(5)) text += ' ';
    }
    const auto claims = parse_claims(text);
    for (const Claim& claim : claims) {
      ASSERT_LT(claim.begin, claim.end);
      ASSERT_LE(claim.end, text.size());
      ASSERT_TRUE(claim.attribute == Attribute::kStress || is_level(claim.attribute, claim.level)) << text;
    }
    const Faithfulness result = check_claims(claims, measured);
    ASSERT_GE(result.true_claims, 0);
    ASSERT_LE(result.true_claims, result.checkable);
    ASSERT_LE(result.checkable, result.claims + 4);
    ASSERT_TRUE(result.score >= 0 && result.score <= 1) << text;
  }
  std::string bytes;
  for (int i = 0; i < 100000; ++i) bytes += static_cast<char>(random.next_u32());
  check_claims(parse_claims(bytes), measured);
}

TEST(Faithfulness, LongTextIsLinear) {
  const auto seconds = [](std::string_view piece, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += piece;
    const auto begin = std::chrono::steady_clock::now();
    parse_claims(text);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  };
  // 200,000 pieces in one sentence: seconds if quadratic by far, milliseconds if linear; the bound is generous.
  for (const char* piece : {"high ", "pitch and ", "'a' ", "not ", "stress on ", "\"a ", "from low to "}) {
    EXPECT_LT(seconds(piece, 200000), 10) << piece;
  }
}

}  // namespace
}  // namespace prosodia
