#include "data/corpus/synth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "data/corpus/child_process.h"
#include "data/corpus/emotions.h"
#include "data/corpus/espeak.h"
#include "data/corpus/inspect.h"
#include "data/corpus/speakers.h"
#include "data/corpus/synth_plan.h"
#include "tests/unit/corpus/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

#define SKIP_WITHOUT_ESPEAK()                                    \
  if (!run_program({"espeak-ng", "--version"}))                  \
  GTEST_SKIP() << "espeak-ng is not installed (apt-get install " \
                  "espeak-ng)"

TEST(Emotions, ProfilesAreDistributions) {
  const auto sums_to_one = [](std::span<const double> row) {
    double sum = 0;
    for (double p : row) sum += p;
    return std::abs(sum - 1) < 1e-9;
  };
  for (const EmotionProfile& e : emotion_profiles()) {
    EXPECT_TRUE(sums_to_one(e.pitch) && sums_to_one(e.energy) && sums_to_one(e.speed) && sums_to_one(e.intonation))
        << e.name;
    EXPECT_EQ(emotion_profiles()[*emotion_index(e.name)].name, e.name);
  }
  EXPECT_EQ(emotion_index("joy"), std::nullopt);
}

// The Bayes accuracy by simulation: draw an utterance from the plan, guess the likeliest emotion, count.
TEST(Emotions, BayesAccuracyMatchesSimulation) {
  const std::string_view sentence = "a b c d e";
  constexpr int kCount = 18000;
  const auto plans = plan_split("train", kCount, 5, 1, std::span(&sentence, 1));
  const auto index_of = [](Attribute attribute, const std::string& level) {
    const auto names = level_names(attribute);
    return static_cast<size_t>(std::find(names.begin(), names.end(), level) - names.begin());
  };
  int correct = 0;
  for (const UtterancePlan& plan : plans) {
    const ProsodyLevels& heard = plan.controlled;
    double best = -1;
    std::string_view guess;
    for (const EmotionProfile& e : emotion_profiles()) {
      double p =
          e.energy[index_of(Attribute::kEnergy, heard.energy)] * e.speed[index_of(Attribute::kSpeed, heard.speed)];
      p *= heard.voice == "whisper" ? e.whisper
                                    : (1 - e.whisper) * e.pitch[index_of(Attribute::kPitch, heard.pitch)] *
                                          e.intonation[index_of(Attribute::kIntonation, heard.intonation)];
      if (p > best) {
        best = p;
        guess = e.name;
      }
    }
    correct += guess == plan.emotion;
  }
  EXPECT_NEAR(static_cast<double>(correct) / kCount, bayes_accuracy(), 0.012);  // 4 standard errors
  EXPECT_GT(bayes_accuracy(), 0.7);
  EXPECT_LT(bayes_accuracy(), 0.9);
}

TEST(SynthPlan, SplitsShareNeitherSpeakersNorSentences) {
  std::set<std::string> speakers;
  std::set<std::string_view> sentences;
  for (const auto& list : {train_speakers(), test_speakers()}) {
    for (const SynthSpeaker& speaker : list) EXPECT_TRUE(speakers.insert(speaker.id).second) << speaker.id;
  }
  for (const auto& list : {train_sentences(), test_sentences()}) {
    for (std::string_view sentence : list) EXPECT_TRUE(sentences.insert(sentence).second) << sentence;
  }
  EXPECT_GE(test_speakers().size(), 4u);
  EXPECT_GE(test_sentences().size(), 10u);
}

TEST(SynthPlan, AnUtteranceDependsOnSeedSplitAndIndexAlone) {
  const auto few = plan_split("train", 10, 3, 4, train_sentences());
  const auto many = plan_split("train", 100, 3, 4, train_sentences());
  const auto other = plan_split("train", 10, 4, 4, train_sentences());
  int same = 0;
  for (size_t i = 0; i < few.size(); ++i) {
    EXPECT_EQ(to_ssml(few[i]), to_ssml(many[i]));
    EXPECT_EQ(few[i].controlled, many[i].controlled);
    same += to_ssml(few[i]) == to_ssml(other[i]);
  }
  EXPECT_LT(same, 3);
}

TEST(SynthPlan, StressChangesNothingElse) {
  const auto plain = plan_split("train", 300, 3, 4, train_sentences());
  const auto stressed = plan_split("train", 300, 3, 4, train_sentences(), 0.5);
  int count = 0;
  for (size_t i = 0; i < plain.size(); ++i) {
    ProsodyLevels levels = stressed[i].controlled;
    EXPECT_EQ(stressed[i].sentence, plain[i].sentence);
    EXPECT_EQ(levels.stress.empty(), !stressed[i].stressed_unit);
    if (stressed[i].stressed_unit) {
      ++count;
      EXPECT_TRUE(stressed[i].units[*stressed[i].stressed_unit].ends_with(levels.stress));
    } else {
      EXPECT_EQ(to_ssml(stressed[i]), to_ssml(plain[i]));
    }
    levels.stress.clear();
    EXPECT_EQ(levels, plain[i].controlled);
  }
  EXPECT_NEAR(count, 150, 30);
}

// What espeak-ng makes of it: the same sentence with and without, and with the stress on another word.
TEST(Synth, AStressedWordIsLongerAndLouder) {
  SKIP_WITHOUT_ESPEAK();
  const std::vector<SynthSpeaker> speakers = train_speakers();
  const auto espeak = Espeak::prepare("espeak-ng", speakers);
  ASSERT_TRUE(espeak) << espeak.error().message;
  auto plan = plan_split("train", 1, 3, 1, train_sentences()).front();
  plan.controlled.voice = "normal";
  plan.controlled.pitch = "normal";
  const auto say = [&](std::optional<size_t> unit) {
    plan.stressed_unit = unit;
    const auto clip = (*espeak)->say(speakers[0], plan);
    EXPECT_TRUE(clip) << clip.error().message;
    return *clip;
  };
  // Where most of the energy is, as a share of the clip.
  const auto centre = [](const AudioClip& clip) {
    double sum = 0, weighted = 0;
    for (size_t i = 0; i < clip.samples.size(); ++i) {
      const double power = static_cast<double>(clip.samples[i]) * clip.samples[i];
      sum += power;
      weighted += power * static_cast<double>(i);
    }
    return weighted / sum / static_cast<double>(clip.samples.size());
  };
  const AudioClip plain = say(std::nullopt), first = say(0), last = say(plan.units.size() - 1);
  EXPECT_GT(first.seconds(), plain.seconds() + 0.03);
  EXPECT_GT(last.seconds(), plain.seconds() + 0.03);
  EXPECT_LT(centre(first), centre(plain) - 0.02);
  EXPECT_GT(centre(last), centre(plain) + 0.02);
}

TEST(Synth, RefusesBadOptionsAndAMissingProgram) {
  TempDir dir;
  const auto error = [](SynthOptions options) { return synthesize_corpus(options).error(); };
  EXPECT_EQ(error({}).code, ErrorCode::kUsage);
  EXPECT_THAT(error({.out = dir / "c.h5", .utterances = 0}).message, HasSubstr("--utterances 0"));
  EXPECT_THAT(error({.out = dir / "c.h5", .stress_share = 2}).message, HasSubstr("--stress_share 2"));
  EXPECT_THAT(error({.out = dir / "c.h5", .max_seconds = 0.1}).message, HasSubstr("--max_seconds"));
  const Error missing = error({.out = dir / "c.h5", .utterances = 1, .espeak_ng = "/nowhere/espeak-ng"});
  EXPECT_EQ(missing.code, ErrorCode::kUnavailable);
  EXPECT_THAT(missing.message, HasSubstr("apt-get install espeak-ng"));
  const Error wrong = error({.out = dir / "c.h5", .utterances = 1, .espeak_ng = "true"});
  EXPECT_THAT(wrong.message, HasSubstr("expected espeak-ng 1.49 or later"));
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(Synth, SameCorpusWhateverTheJobs) {
  SKIP_WITHOUT_ESPEAK();
  TempDir dir;
  SynthOptions options{.out = dir / "one.h5", .utterances = 27, .test_utterances = 9, .seed = 11, .jobs = 1};
  const auto one = synthesize_corpus(options);
  ASSERT_TRUE(one) << one.error().message;
  EXPECT_EQ(one->utterances, 36);
  options.out = dir / "two.h5";
  options.jobs = 2;
  ASSERT_TRUE(synthesize_corpus(options));
  const auto a = CorpusReader::open(dir / "one.h5"), b = CorpusReader::open(dir / "two.h5");
  ASSERT_TRUE(a && b);
  ASSERT_EQ((*a)->size(), (*b)->size());
  for (size_t i = 0; i < (*a)->size(); ++i) {
    const auto x = (*a)->read(i), y = (*b)->read(i);
    ASSERT_TRUE(x && y);
    EXPECT_EQ(x->audio.samples, y->audio.samples) << i;
    EXPECT_EQ(x->info.id, y->info.id);
    EXPECT_EQ(x->info.controlled, y->info.controlled);
    EXPECT_EQ(x->info.levels, y->info.levels);
    EXPECT_LE(x->audio.seconds(), 2.0);
  }
  EXPECT_TRUE(read_text(dir / "one.h5") == read_text(dir / "two.h5")) << "the files differ";
  const Leakage leakage = split_leakage(**a);
  EXPECT_TRUE(leakage.speakers.empty() && leakage.sentences.empty());
}

// A stand-in for an espeak-ng that ignores the voice it is given, as a missing or unreadable voice file makes it do.
TEST(Synth, AnIgnoredVoiceIsNoticed) {
  SKIP_WITHOUT_ESPEAK();
  TempDir dir;
  write_text(
      dir / "deaf-espeak",
      "#!/bin/sh\n[ \"$1\" = --version ] && exec espeak-ng --version\nshift 3\nexec espeak-ng -v en-us \"$@\"\n");
  std::filesystem::permissions(dir / "deaf-espeak", std::filesystem::perms::owner_all);
  const auto report = synthesize_corpus(
      {.out = dir / "c.h5", .utterances = 18, .test_utterances = 0, .espeak_ng = (dir / "deaf-espeak").string()});
  ASSERT_FALSE(report);
  EXPECT_THAT(report.error().message, HasSubstr("does not speak with the voices it is given"));
  EXPECT_FALSE(std::filesystem::exists(dir / "c.h5"));
}

// The controls are audible: what is measured is what was asked for.
TEST(Synth, MeasuredAgreesWithControlled) {
  SKIP_WITHOUT_ESPEAK();
  TempDir dir;
  ASSERT_TRUE(synthesize_corpus({.out = dir / "c.h5", .utterances = 270, .test_utterances = 0, .seed = 2}));
  const auto corpus = CorpusReader::open(dir / "c.h5");
  ASSERT_TRUE(corpus);
  const auto agreement = level_agreement(**corpus, "");
  for (const auto& [attribute, minimum] : {std::pair(Attribute::kPitch, 0.95),
                                           {Attribute::kEnergy, 0.97},
                                           {Attribute::kSpeed, 0.95},
                                           {Attribute::kIntonation, 0.94},
                                           {Attribute::kVoice, 0.98}}) {
    EXPECT_GE(agreement.at(attribute).rate(), minimum) << attribute_name(attribute);
    EXPECT_EQ(agreement.at(attribute).undetermined, 0) << attribute_name(attribute);
  }
}

}  // namespace
}  // namespace prosodia
