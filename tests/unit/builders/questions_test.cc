// The question sets: prosody held out, stress, and comparisons whose clips really differ as the answers say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "data/audio/modify.h"
#include "data/builders/transcript_words.h"
#include "data/corpus/audio_store.h"
#include "data/prosody/measure.h"
#include "data/prosody/word_times.h"
#include "tests/unit/builders/support.h"

namespace prosodia {
namespace {

using namespace testing;

using Questions = BuildTest;

TEST(TranscriptWords, ComeWithoutPunctuation) {
  EXPECT_EQ(split_words("“Kids”, don't – talk… by the DOOR!"),
            (std::vector<std::string>{"Kids", "don't", "talk", "by", "the", "DOOR"}));
  EXPECT_EQ(distinct_words("The dog, the DOG."), (std::vector<std::string>{"The", "dog"}));
  EXPECT_TRUE(split_words(" ?! -- \xE2\x80").empty() || split_words(" ?! -- \xE2\x80").size() == 1);
  EXPECT_EQ(word_key("DOOR"), "door");
}

TEST_F(Questions, HeldOutOnesHaveOptionsAndOneSolution) {
  use_stress();
  options_.prosody_eval_rows = 10000;
  build();
  std::map<std::string, std::map<std::string, int>> solutions;
  std::set<std::string> asked;
  for (const Sample& sample : rows("prosody.eval.jsonl")) {
    ASSERT_FALSE(sample.ends_with_assistant());
    const auto attribute = sample.row["attribute"].get<std::string>();
    const auto choices = sample.row["options"].get<std::vector<std::string>>();
    EXPECT_THAT(choices, ::testing::Contains(sample.solution));
    ++solutions[attribute][sample.solution];
    EXPECT_TRUE(asked.insert(attribute + sample.row["id"].get<std::string>()).second) << "asked twice";
    if (attribute == "stress") {
      EXPECT_EQ(choices, split_words(sample.row["transcript"].get<std::string>()));
      EXPECT_EQ(word_key(sample.solution), sample.row["prosody"]["stress"]);
    } else {
      const auto names = level_names(*attribute_from_name(attribute));
      EXPECT_EQ(choices, std::vector<std::string>(names.begin(), names.end()));
      EXPECT_EQ(sample.solution, sample.row["prosody"][attribute]);
      EXPECT_THAT(sample.messages.back().content, ::testing::HasSubstr("Is the " + attribute));
    }
  }
  EXPECT_EQ(solutions.size(), 6u);
  // The whisper comes up as often as it can, and no level starves: turns, then what is left.
  EXPECT_EQ(solutions["pitch"].size(), 3u);
  EXPECT_EQ(solutions["voice"]["whisper"], 1);
}

TEST_F(Questions, PaperStyleAsksWhoSpeaks) {
  options_.prompt_style = PromptStyle::kPaper;
  options_.grammar = Grammar::kVaried;
  options_.prosody_rows = 600;
  build();
  std::set<std::string> about_gender, questions;
  for (const Sample& sample : rows("prosody.sft.jsonl")) {
    questions.insert(sample.messages[1].content);
    if (sample.messages[1].content.find("gender") == std::string::npos) continue;
    about_gender.insert(sample.row["prosody"]["gender"].get<std::string>());
    EXPECT_THAT(sample.messages[2].content, ::testing::HasSubstr(sample.row["prosody"]["gender"].get<std::string>()));
  }
  EXPECT_EQ(about_gender, (std::set<std::string>{"female", "male"}));
  EXPECT_GE(questions.size(), 30u);
}

TEST_F(Questions, StressedWordsAreThoseOfTheCorpusFromEveryPlace) {
  use_stress();
  options_.stress_rows = 120;
  build();
  std::map<std::string, int> words;
  for (const Sample& sample : rows("stress.sft.jsonl")) {
    const std::string stress = sample.row["prosody"]["stress"];
    EXPECT_THAT(sample.messages[2].content, ::testing::HasSubstr(stress));
    EXPECT_THAT(sample.messages[1].content,
                ::testing::AnyOf(::testing::HasSubstr("stress"), ::testing::HasSubstr("Where")));
    ++words[stress];
  }
  // "took" stands at the beginning, "old" in the middle, "soon" at the end.
  EXPECT_EQ(words, (std::map<std::string, int>{{"old", 40}, {"soon", 40}, {"took", 40}}));
}

TEST_F(Questions, WithoutStressThereAreNoRowsAndANote) {
  auto writer = CorpusWriter::create(dir_ / "plain.h5", kSpeechRateHz, "plain");
  Utterance utterance = make_utterance(1);
  utterance.info.split = "train";
  ASSERT_TRUE((*writer)->append(utterance));
  ASSERT_TRUE((*writer)->finish());
  options_.corpus = dir_ / "plain.h5";
  options_.stress_rows = 5;
  build();
  EXPECT_EQ(report_.rows("stress.sft.jsonl"), 0);
  EXPECT_THAT(report_.notes, ::testing::Contains(::testing::HasSubstr("stress.sft.jsonl: 0 of 5 rows")));
}

// One voiced second for each of six utterances.
void write_voiced_corpus(const std::filesystem::path& path) {
  auto writer = CorpusWriter::create(path, kSpeechRateHz, "voiced");
  for (int i = 0; i < 6; ++i) {
    Utterance utterance = make_utterance(i);
    utterance.info.split = i < 3 ? "train" : "test";
    utterance.audio = voiced_clip(130 + 20 * i, 0.9);
    ASSERT_TRUE((*writer)->append(utterance));
  }
  ASSERT_TRUE((*writer)->finish());
}

// The clip cut at its silences, measured.
std::vector<ProsodyMeasure> measure_versions(const AudioClip& clip) {
  constexpr size_t kGap = 2000;  // samples of silence; 0.3 s are 4800
  std::vector<ProsodyMeasure> measures;
  size_t begin = 0, quiet = 0;
  for (size_t i = 0; i <= clip.samples.size(); ++i) {
    quiet = i < clip.samples.size() && clip.samples[i] == 0 ? quiet + 1 : 0;
    if (quiet != kGap && i != clip.samples.size()) continue;
    const AudioClip part{{clip.samples.begin() + static_cast<std::ptrdiff_t>(begin),
                          clip.samples.begin() + static_cast<std::ptrdiff_t>(i)},
                         clip.sample_rate_hz};
    const auto measure = measure_prosody(part, "one two three");
    EXPECT_TRUE(measure);
    measures.push_back(*measure);
    while (i < clip.samples.size() && clip.samples[i] == 0) ++i;
    begin = i;
    quiet = 0;
  }
  return measures;
}

TEST_F(Questions, ComparedVersionsDifferAsTheAnswerSays) {
  write_voiced_corpus(dir_ / "voiced.h5");
  options_.corpus = dir_ / "voiced.h5";
  options_.comparative_rows = 36;
  options_.comparative_eval_rows = 9;
  build();
  AudioStore store;
  std::map<std::string, std::map<std::string, int>> answers;
  for (const std::string file : {"comparative.sft.jsonl", "comparative.eval.jsonl"}) {
    for (const Sample& sample : rows(file)) {
      const auto attribute = sample.row["attribute"].get<std::string>();
      const auto clip = store.load(sample.audios.at(0));
      ASSERT_TRUE(clip) << clip.error().message;
      const std::vector<ProsodyMeasure> versions = measure_versions(**clip);
      const auto value = [&](size_t i) {
        return static_cast<double>(attribute == "comparative_pitch"    ? *versions[i].f0_mean_hz
                                   : attribute == "comparative_energy" ? *versions[i].energy_dbfs
                                                                       : *versions[i].syllables_per_second);
      };
      EXPECT_EQ(sample.ends_with_assistant(), file == "comparative.sft.jsonl");
      if (sample.ends_with_assistant()) {
        EXPECT_EQ(sample.messages.back().content, sample.solution);
        ++answers[attribute + std::to_string(versions.size())][sample.solution];
      }
      const std::string& question = sample.messages[1].content;
      if (versions.size() == 2) {
        const bool most =
            question.find("higher") + 1 != 0 || question.find("louder") + 1 != 0 || question.find("faster") + 1 != 0;
        EXPECT_EQ(sample.solution == "first", (value(0) > value(1)) == most) << question;
      } else {
        ASSERT_EQ(versions.size(), 3u);
        std::vector<size_t> order = {0, 1, 2};
        std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return value(a) < value(b); });
        EXPECT_EQ(sample.solution, fmt::format("{} {} {}", order[0] + 1, order[1] + 1, order[2] + 1)) << question;
      }
      EXPECT_EQ(sample.row["source"]["changed"].size(), versions.size());
    }
  }
  EXPECT_EQ(answers.size(), 6u);
  for (const char* two : {"comparative_pitch2", "comparative_energy2", "comparative_speed2"})
    EXPECT_EQ(answers[two], (std::map<std::string, int>{{"first", 4}, {"second", 4}})) << two;
}

}  // namespace
}  // namespace prosodia
