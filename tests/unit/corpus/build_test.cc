#include "data/corpus/build.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "data/corpus/audio_store.h"
#include "data/corpus/dataset.h"
#include "data/corpus/emotions.h"
#include "data/prosody/levels_json.h"
#include "reward/faithfulness.h"
#include "reward/rules.h"
#include "tests/unit/corpus/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

// A corpus whose audio does not matter: all combinations of levels, measured as controlled but for the speed.
void write_labelled_corpus(const std::filesystem::path& path) {
  auto writer = CorpusWriter::create(path, kSpeechRateHz, "labels");
  ASSERT_TRUE(writer);
  int count = 0;
  for (std::string_view pitch : level_names(Attribute::kPitch)) {
    for (std::string_view intonation : level_names(Attribute::kIntonation)) {
      for (std::string_view speed : level_names(Attribute::kSpeed)) {
        Utterance utterance = make_utterance(count);
        UtteranceInfo& info = utterance.info;
        info.emotion = emotion_profiles()[static_cast<size_t>(count) % kEmotionCount].name;
        info.split = count % 5 == 0 ? "test" : "train";
        info.controlled = {.pitch = std::string(pitch),
                           .energy = "normal",
                           .speed = std::string(speed),
                           .intonation = std::string(intonation),
                           .voice = "normal"};
        if (count % 9 == 7) {
          info.controlled.pitch = info.controlled.intonation = "";
          info.controlled.voice = "whisper";
        }
        info.levels = info.controlled;
        info.levels.speed = count % 2 == 0 ? "fast" : "slow";  // unreliable
        ASSERT_TRUE((*writer)->append(utterance));
        ++count;
      }
    }
  }
  ASSERT_TRUE((*writer)->finish());
}

class Build : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directories(dir_ / "corpora");
    write_labelled_corpus(dir_ / "corpora/c.h5");
    options_.corpus = dir_ / "corpora/c.h5";
    options_.output_dir = dir_ / "sets";
    options_.prosody_rows = 400;
    options_.coldstart_rows = 300;
  }
  std::vector<Sample> rows(const std::string& name) {
    auto samples = read_dataset(options_.output_dir / name);
    EXPECT_TRUE(samples) << samples.error().message;
    return samples ? *samples : std::vector<Sample>{};
  }
  void build() {
    const auto report = build_datasets(options_);
    ASSERT_TRUE(report) << report.error().message;
    report_ = *report;
  }
  TempDir dir_;
  BuildOptions options_;
  BuildReport report_;
};

TEST_F(Build, PromptSetsHaveNoAssistantTurnAndSplitByUtterance) {
  build();
  EXPECT_EQ(report_.rl_rows + report_.eval_rows, 54);
  AudioStore store;
  std::set<std::string> ids;
  for (const auto& [file, split] : {std::pair("rl.jsonl", "train"), {"eval.jsonl", "test"}}) {
    for (const Sample& sample : rows(file)) {
      EXPECT_FALSE(sample.ends_with_assistant());
      EXPECT_EQ(sample.messages.size(), 2u);
      EXPECT_EQ(sample.messages[1].content, "<audio>What is the emotion expressed in this audio clip?");
      EXPECT_EQ(sample.solution, sample.row["emotion"]);
      EXPECT_TRUE(emotion_index(sample.solution)) << sample.solution;
      for (const char* key : {"id", "speaker", "transcript", "prosody", "prosody_source"})
        EXPECT_TRUE(sample.row.contains(key)) << key;
      EXPECT_TRUE(ids.insert(sample.row["id"]).second);
      const auto clip = store.load(sample.audios.at(0));
      ASSERT_TRUE(clip) << clip.error().message;
      EXPECT_EQ((*CorpusReader::open(options_.corpus))
                    ->info(*(*CorpusReader::open(options_.corpus))->find(sample.row["id"].get<std::string>()))
                    .split,
                split);
    }
  }
  EXPECT_EQ(ids.size(), 54u);
}

TEST_F(Build, UnreliableMeasurementGivesWayToControl) {
  build();
  for (const Sample& sample : rows("rl.jsonl")) {
    EXPECT_EQ(sample.row["prosody_source"]["pitch"], "measured");
    EXPECT_EQ(sample.row["prosody_source"]["speed"], "controlled");
    ASSERT_TRUE(levels_from_json(sample.row["prosody"]));
  }
  EXPECT_THAT(report_.notes, ::testing::Contains(HasSubstr("speed: controlled (measured and controlled agree in")));
}

TEST_F(Build, ProsodyQuestionsAreBalancedOverLevels) {
  build();
  const auto samples = rows("prosody.sft.jsonl");
  ASSERT_EQ(samples.size(), 400u);
  std::map<std::string, std::map<std::string, int>> answers;
  std::set<std::string> questions;
  for (const Sample& sample : samples) {
    ASSERT_EQ(sample.messages.size(), 3u);
    EXPECT_TRUE(sample.ends_with_assistant());
    questions.insert(sample.messages[1].content);
    const std::string& answer = sample.messages[2].content;
    for (Attribute attribute : kAcousticAttributes) {
      const std::string name(attribute_name(attribute));
      if (sample.messages[1].content.find(name) == std::string::npos) continue;
      const std::string level = sample.row["prosody"].value(name, "");
      EXPECT_THAT(answer, HasSubstr(level)) << sample.messages[1].content;
      ++answers[name][level];
      break;
    }
  }
  EXPECT_GE(questions.size(), 20u);
  for (const auto& [attribute, counts] : answers) {
    int least = 1 << 30, most = 0;
    for (const auto& [level, count] : counts) {
      least = std::min(least, count);
      most = std::max(most, count);
    }
    EXPECT_LE(most - least, 1) << attribute;
  }
  EXPECT_EQ(answers["intonation"].size(), 6u);
}

TEST_F(Build, CleanColdStartIsTrueInEveryWord) {
  options_.cue_noise = options_.cue_omission = options_.emotion_noise = 0;
  build();
  std::set<std::string> texts;
  for (const Sample& sample : rows("coldstart.sft.jsonl")) {
    const std::string& response = sample.messages.back().content;
    texts.insert(response);
    EXPECT_TRUE(format_reward(response)) << response;
    EXPECT_TRUE(answer_matches(response, sample.solution)) << response;
    const auto think = extract_think(response);
    ASSERT_TRUE(think) << response;
    const auto claims = parse_claims(*think);
    const Faithfulness truth = check_claims(claims, *levels_from_json(sample.row["prosody"]));
    EXPECT_GT(truth.checkable, 0) << response;
    EXPECT_EQ(truth.true_claims, truth.checkable) << response;
    EXPECT_EQ(truth.recalled_attributes, truth.measured_attributes) << response;
    EXPECT_LE(std::count(response.begin(), response.end(), ' '), 40) << response;
  }
  EXPECT_GT(texts.size(), 100u);
}

TEST_F(Build, NoiseAndOmissionHaveTheirShares) {
  options_.coldstart_rows = 3000;
  options_.cue_noise = 0.2;
  options_.cue_omission = 0.3;
  options_.emotion_noise = 0.1;
  build();
  int claims = 0, true_claims = 0, recalled = 0, measured = 0, right = 0, rows_seen = 0;
  for (const Sample& sample : rows("coldstart.sft.jsonl")) {
    const std::string& response = sample.messages.back().content;
    ProsodyLevels levels = *levels_from_json(sample.row["prosody"]);
    if (levels.voice == "whisper") continue;  // never noisy
    const Faithfulness truth = check_claims(parse_claims(*extract_think(response)), levels);
    ++rows_seen;
    claims += truth.checkable;
    true_claims += truth.true_claims;
    recalled += truth.checkable;
    measured += truth.measured_attributes;
    right += answer_matches(response, sample.solution);
  }
  ASSERT_GT(claims, 4000);
  EXPECT_NEAR(1.0 - static_cast<double>(true_claims) / claims, 0.2, 0.03);
  EXPECT_NEAR(1.0 - static_cast<double>(recalled) / measured, 0.3, 0.03);
  EXPECT_NEAR(static_cast<double>(right) / rows_seen, 0.9, 0.02);
}

TEST_F(Build, IsDeterministicAndSetsAreIndependent) {
  build();
  const std::string cold = read_text(options_.output_dir / "coldstart.sft.jsonl");
  const std::string prosody = read_text(options_.output_dir / "prosody.sft.jsonl");
  options_.output_dir = dir_ / "again";
  options_.prosody_rows = 10;
  build();
  EXPECT_EQ(read_text(options_.output_dir / "coldstart.sft.jsonl"), cold);
  EXPECT_EQ(prosody.find(read_text(options_.output_dir / "prosody.sft.jsonl")), 0u);
  options_.seed = 1;
  build();
  EXPECT_NE(read_text(options_.output_dir / "coldstart.sft.jsonl"), cold);
}

TEST_F(Build, PaperPromptListsTheEmotions) {
  options_.prompt_style = PromptStyle::kPaper;
  build();
  EXPECT_THAT(
      rows("eval.jsonl")[0].messages[1].content,
      HasSubstr(
          "Please choose one from the following options: neutral, happy, sad, angry, contempt or disgust, confused, "
          "whisper, surprise, fear."));
}

TEST_F(Build, TextsCoverEverySet) {
  build();
  const auto texts = build_texts(options_.output_dir);
  ASSERT_TRUE(texts) << texts.error().message;
  EXPECT_EQ(texts->size(), 3u * 400 + 3u * 300 + 2u * 54);
  for (const std::string& text : *texts) EXPECT_EQ(text.find("<audio>"), std::string::npos);
}

TEST_F(Build, ErrorsSayWhatToChange) {
  options_.cue_noise = 1.5;
  EXPECT_EQ(build_datasets(options_).error().code, ErrorCode::kUsage);
  EXPECT_THAT(build_datasets(options_).error().message, HasSubstr("--cue_noise 1.5: expected 0 to 1"));
  options_.cue_noise = 0;
  options_.train_split = "training";
  EXPECT_THAT(build_datasets(options_).error().message, HasSubstr("no utterance in split \"training\""));
  options_.corpus = dir_ / "none.h5";
  EXPECT_THAT(build_datasets(options_).error().message, HasSubstr("none.h5: no such corpus file"));
}

}  // namespace
}  // namespace prosodia
