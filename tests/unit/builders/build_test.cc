#include "data/builders/build.h"

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
#include "tests/unit/builders/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

using Build = BuildTest;

TEST_F(Build, PromptSetsHaveNoAssistantTurnAndSplitByUtterance) {
  build();
  EXPECT_EQ(report_.rows("rl.jsonl") + report_.rows("eval.jsonl"), 54);
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
  use_stress();
  options_.prosody_rows = options_.coldstart_rows = 60;
  options_.stress_rows = options_.rm_rows = 40;
  options_.prosody_eval_rows = 30;
  options_.comparative_rows = options_.comparative_eval_rows = 24;
  options_.rm_eval_rows = 20;
  build();
  std::map<std::string, std::string> first;
  for (const auto& [file, count] : report_.files) {
    EXPECT_GT(count, 0) << file;
    first[file] = text(file);
  }
  EXPECT_EQ(first.size(), 10u);
  const std::string clips = text("comparative.h5");
  options_.output_dir = dir_ / "again";
  options_.jobs = 3;
  build();
  for (const auto& [file, bytes] : first) EXPECT_EQ(text(file), bytes) << file;
  EXPECT_EQ(text("comparative.h5"), clips);
  // Each set smaller than before: its rows are the beginning, whatever the others do.
  options_.output_dir = dir_ / "smaller";
  options_.prosody_rows = options_.stress_rows = options_.comparative_eval_rows = options_.coldstart_rows = 20;
  options_.prosody_eval_rows = options_.comparative_rows = options_.rm_eval_rows = options_.rm_rows = 10;
  build();
  for (const auto& [file, bytes] : first) EXPECT_EQ(bytes.find(text(file)), 0u) << file;
  options_.output_dir = dir_ / "seeded";
  options_.seed = 1;
  build();
  for (const auto& [file, bytes] : first) {
    const bool is_random = file != "rl.jsonl" && file != "eval.jsonl";
    EXPECT_EQ(bytes.find(text(file)) == 0, !is_random) << file;
  }
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

TEST_F(Build, EveryRowSaysWhereItComesFrom) {
  use_stress();
  options_.stress_rows = options_.comparative_rows = options_.comparative_eval_rows = 12;
  options_.rm_rows = options_.rm_eval_rows = 12;
  build();
  for (const auto& [file, count] : report_.files) {
    for (const Sample& sample : rows(file)) {
      ASSERT_TRUE(sample.row.contains("source")) << file;
      EXPECT_EQ(sample.row["source"]["corpus"], "made") << file;
      EXPECT_FALSE(sample.row["source"]["writer"].get<std::string>().empty()) << file;
    }
  }
}

TEST_F(Build, NoTrainingUtteranceIsInAnEvaluationSet) {
  use_stress();
  options_.stress_rows = options_.comparative_rows = options_.comparative_eval_rows = 60;
  options_.rm_rows = options_.rm_eval_rows = 60;
  build();
  std::map<std::string, std::set<std::string>> speakers, ids;  // by the kind of set
  for (const auto& [file, count] : report_.files) {
    const std::string kind = file.find("eval") == std::string::npos ? "train" : "eval";
    for (const Sample& sample : rows(file)) {
      speakers[kind].insert(sample.row["speaker"]);
      ids[kind].insert(sample.row["id"]);
    }
  }
  for (const std::string& each : ids["eval"]) EXPECT_FALSE(ids["train"].contains(each)) << each;
  for (const std::string& each : speakers["eval"]) EXPECT_FALSE(speakers["train"].contains(each)) << each;
  EXPECT_EQ(ids["eval"].size(), 11u);
}

TEST_F(Build, DryRunCountsWhatARunWrites) {
  use_stress();
  options_.stress_rows = options_.comparative_rows = options_.rm_rows = 30;
  options_.prosody_eval_rows = 10000;  // more than there is
  options_.dry_run = true;
  build();
  EXPECT_FALSE(std::filesystem::exists(options_.output_dir));
  const BuildReport counted = report_;
  options_.dry_run = false;
  build();
  EXPECT_EQ(report_.files, counted.files);
  EXPECT_LT(report_.rows("prosody.eval.jsonl"), 10000);
  EXPECT_THAT(report_.notes, ::testing::Contains(HasSubstr("of 10000 rows: the corpus gives no more")));
}

TEST_F(Build, BalanceGivesEveryEmotionItsTurn) {
  options_.balance = Balance::kEmotion;
  options_.coldstart_rows = 90;
  build();
  std::map<std::string, int> counts;
  for (const Sample& sample : rows("coldstart.sft.jsonl")) ++counts[sample.row["emotion"]];
  EXPECT_EQ(counts.size(), kEmotionCount);
  for (const auto& [emotion, count] : counts) EXPECT_EQ(count, 10) << emotion;
}

TEST_F(Build, StopsWhenAskedTo) {
  int rows_seen = 0;
  options_.on_progress = [&](std::string_view, int, int) { ++rows_seen; };
  options_.stop_requested = [&] { return rows_seen >= 7; };
  const auto report = build_datasets(options_);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInterrupted);
  EXPECT_FALSE(std::filesystem::exists(options_.output_dir / "prosody.sft.jsonl"));
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
