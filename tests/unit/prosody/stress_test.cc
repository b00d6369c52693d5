// Word times, stress, syllables, calibration scopes.
#include "data/prosody/stress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "data/prosody/calibration.h"
#include "data/prosody/syllables.h"
#include "data/prosody/word_times.h"
#include "tests/unit/prosody/signals.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

struct Spoken {
  double seconds, semitones, gain_db;
};

// One swell a word, 120 Hz and falling slightly, without gaps; the word times are known.
struct Utterance {
  AudioClip clip;
  std::vector<Word> words;
};
Utterance speak(const std::vector<Spoken>& spoken) {
  Utterance utterance;
  double at = 0;
  for (size_t w = 0; w < spoken.size(); ++w) {
    const Spoken& s = spoken[w];
    const double f0_hz = 120 * std::exp2((s.semitones - 2 * at) / 12);
    const AudioClip word = voiced(
        s.seconds, [&](double) { return f0_hz; },
        [&](double t) {
          return 0.05 * std::pow(10, s.gain_db / 20) * (0.05 + std::sin(std::numbers::pi * t / s.seconds));
        });
    utterance.clip.samples.insert(utterance.clip.samples.end(), word.samples.begin(), word.samples.end());
    utterance.words.push_back({"go" + std::string(w, 'o'), static_cast<float>(at), static_cast<float>(at + s.seconds)});
    at += s.seconds;
  }
  return utterance;
}

std::string stressed(Utterance utterance, bool is_estimated = false) {
  for (Word& word : utterance.words) word.is_estimated = is_estimated;
  const auto tracks = track_prosody(utterance.clip);
  EXPECT_TRUE(tracks);
  mark_stress(utterance.words, *tracks);
  return stressed_words(utterance.words);
}

constexpr Spoken kPlain{0.2, 0, 0};

TEST(Stress, HigherLouderLongerWordIsStressed) {
  for (size_t which = 0; which < 5; ++which) {
    std::vector<Spoken> spoken(5, kPlain);
    spoken[which] = {0.3, 4, 4};
    EXPECT_EQ(stressed(speak(spoken)), "go" + std::string(which, 'o')) << which;
  }
}

TEST(Stress, EvenDeliveryHasNone) {
  EXPECT_EQ(stressed(speak(std::vector<Spoken>(6, kPlain))), "");
  EXPECT_EQ(stressed(speak({{0.2, 0, 0}, {0.2, 1, 1}, {0.22, 0, -1}, {0.2, -1, 0}, {0.18, 0.5, 0}})), "");
}

TEST(Stress, TwoWordsCanBeStressed) {
  EXPECT_EQ(stressed(speak({kPlain, {0.3, 5, 5}, kPlain, kPlain, kPlain, {0.3, 5, 5}, kPlain, kPlain})), "goo goooooo");
}

TEST(Stress, DurationCountsOnlyWhereTimesAreKnown) {
  std::vector<Spoken> spoken(5, kPlain);
  spoken[2] = {0.7, 0.5, 1.0};
  EXPECT_EQ(stressed(speak(spoken)), "gooo");
  EXPECT_EQ(stressed(speak(spoken), /*is_estimated=*/true), "");
}

TEST(Stress, FewWordsOrNoSpeechHaveNone) {
  EXPECT_EQ(stressed(speak({kPlain, {0.4, 6, 6}})), "");
  Utterance silent = speak(std::vector<Spoken>(4, kPlain));
  std::fill(silent.clip.samples.begin(), silent.clip.samples.end(), 0.0f);
  const auto tracks = track_prosody(silent.clip);
  EXPECT_THAT(word_prominences(silent.words, *tracks), IsEmpty());
  EXPECT_EQ(stressed(silent), "");
}

TEST(Stress, GainAndPaddingChangeNothing) {
  std::vector<Spoken> spoken(5, kPlain);
  spoken[3] = {0.3, 4, 4};
  Utterance plain = speak(spoken);
  Utterance quiet = plain;
  quiet.clip = scaled(quiet.clip, 0.1);
  Utterance late = plain;
  late.clip = padded(late.clip, 0.5, 0.5);
  for (Word& word : late.words) {
    word.start_seconds += 0.5f;
    word.end_seconds += 0.5f;
  }
  EXPECT_EQ(stressed(plain), "goooo");
  EXPECT_EQ(stressed(quiet), "goooo");
  EXPECT_EQ(stressed(late), "goooo");
}

TEST(WordTimes, WordsAreWhatIsSpoken) {
  EXPECT_THAT(split_words("Well, I \"never\" -- don't — mind; 42 (Über!)"),
              ElementsAre("Well", "I", "never", "don't", "mind", "42", "Über"));
  EXPECT_THAT(split_words("ach „Wut“ – so…"), ElementsAre("ach", "Wut", "so"));
  EXPECT_THAT(split_words(" \t\n … "), IsEmpty());
}

// Words of one, two and three syllables, one swell a syllable, with silence before and behind and a pause inside.
TEST(WordTimes, BordersFallIntoTheDips) {
  Utterance spoken = speak(std::vector<Spoken>(6, kPlain));
  AudioClip clip = spoken.clip;
  clip.samples.insert(clip.samples.begin() + static_cast<std::ptrdiff_t>(0.6 * kSpeechRateHz),
                      static_cast<size_t>(0.3 * kSpeechRateHz), 0.0f);  // between the second and third word
  clip = padded(clip, 0.4, 0.4);
  const auto tracks = track_prosody(clip);
  const auto words = estimate_word_times("Go, tiger! Wonderful.", "en", tracks->frames);
  ASSERT_EQ(words.size(), 3u);
  const float borders[] = {0.4f, 0.6f, 1.0f, 1.9f};  // the pause belongs to a neighbour
  EXPECT_NEAR(words[0].start_seconds, borders[0], 0.03f);
  EXPECT_NEAR(words[1].start_seconds, borders[1], 0.04f);
  EXPECT_GE(words[2].start_seconds, borders[2] - 0.04f);
  EXPECT_LE(words[2].start_seconds, borders[2] + 0.34f);
  EXPECT_NEAR(words[2].end_seconds, borders[3], 0.03f);
  for (const Word& word : words) EXPECT_TRUE(word.is_estimated);
  EXPECT_EQ(words[1].text, "tiger");
  EXPECT_THAT(estimate_word_times("un deux", "fr", tracks->frames), IsEmpty());
  EXPECT_THAT(estimate_word_times("", "en", tracks->frames), IsEmpty());
}

TEST(WordTimes, AscendWhateverTheSignal) {
  const AudioClip clips[] = {steady(0.3, 200), noise(0.25, 0.1, 1), padded(steady(0.12, 100), 0.5, 0.5)};
  for (const AudioClip& clip : clips) {
    const auto tracks = track_prosody(clip);
    const auto words = estimate_word_times("a quick brown extraordinary fox jumps over a dog", "en", tracks->frames);
    for (size_t w = 0; w < words.size(); ++w) {
      EXPECT_LE(words[w].start_seconds, words[w].end_seconds);
      EXPECT_LE(words[w].end_seconds, clip.seconds() + 0.02);
      EXPECT_GE(words[w].start_seconds, w > 0 ? words[w - 1].start_seconds : 0.0f);
    }
  }
}

TEST(Syllables, German) {
  for (const auto& [text, expected] : {std::pair("Das will sie am Mittwoch abgeben", 9),
                                       {"Der Lappen liegt auf dem Eisschrank", 8},
                                       {"Ich will das eben wegbringen und dann mit Karl was trinken gehen", 17},
                                       {"Heute abend könnte ich es ihm sagen", 11},
                                       {"Quelle", 2},
                                       {"Nation", 2},
                                       {"Theater", 3},
                                       {"Bäume", 2},
                                       {"Familie", 4},
                                       {"Yoga", 2},
                                       {"ÜBER", 2},
                                       {"Straße", 2}}) {
    EXPECT_EQ(count_syllables(text, "de"), expected) << text;
  }
  EXPECT_EQ(count_syllables("café", "en"), 2);
  EXPECT_EQ(count_syllables("don’t stop", "en"), 2);
  EXPECT_EQ(count_syllables("bonjour", "fr"), std::nullopt);
  EXPECT_EQ(count_syllables("bonjour", ""), std::nullopt);
}

// 45 quiet men of two speakers and 45 loud women of one.
TEST(Calibration, ScopesCompareWithSpeakerGenderOrCorpus) {
  std::vector<ProsodyMeasure> measures(90);
  std::vector<CalibrationTable::Item> items;
  for (int i = 0; i < 90; ++i) {
    const bool man = i < 45;
    ProsodyMeasure& measure = measures[static_cast<size_t>(i)];
    measure.f0_mean_hz = (man ? 100.0f : 200.0f) + static_cast<float>(i % 45);
    measure.energy_dbfs = (man ? -40.0f : -20.0f) + 0.1f * static_cast<float>(i % 45);
    items.push_back({man ? (i < 40 ? "m1" : "m2") : "f1", man ? "male" : "female", &measure});
  }
  const auto levels = [&](CalibrationScope scope, std::string_view speaker, std::string_view gender, float hz,
                          float dbfs) {
    CalibrationOptions options;
    options.scope = scope;
    ProsodyMeasure measure;
    measure.f0_mean_hz = hz;
    measure.energy_dbfs = dbfs;
    const ProsodyLevels found = to_levels(measure, CalibrationTable::build(items, options).lookup(speaker, gender));
    return found.pitch + " " + found.energy;
  };
  EXPECT_EQ(levels(CalibrationScope::kSpeaker, "f1", "female", 201, -19.9f), "low low");
  EXPECT_EQ(levels(CalibrationScope::kSpeaker, "m2", "male", 143, -35.6f), "high normal");  // energy: the corpus
  EXPECT_EQ(levels(CalibrationScope::kGender, "f1", "female", 201, -19.9f), "low normal");
  EXPECT_EQ(levels(CalibrationScope::kCorpus, "f1", "female", 201, -15.6f), "normal high");
  EXPECT_EQ(levels(CalibrationScope::kCorpus, "m1", "male", 101, -40.0f), "low low");
  EXPECT_EQ(levels(CalibrationScope::kSpeaker, "", "", 143, -30.0f), "normal normal");
  const CalibrationTable table = CalibrationTable::build(items, {});
  EXPECT_EQ(table.speakers().at("m2").pitch_hz.utterances, 5);
  EXPECT_FALSE(table.speakers().at("m2").pitch_hz.valid);
  EXPECT_TRUE(table.genders().at("male").pitch_hz.valid);
}

}  // namespace
}  // namespace prosodia
