// Real releases, or the parts of them that are here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "data/corpus/inspect.h"
#include "tests/unit/importers/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::map<std::string, int> emotions(const CorpusReader& corpus) {
  std::map<std::string, int> counts;
  for (size_t i = 0; i < corpus.size(); ++i) ++counts[corpus.info(i).emotion];
  return counts;
}

TEST(RealSpeech, Ravdess) {
  SKIP_WITHOUT_SPEECH(root, "ravdess");
  TempDir dir;
  const ImportReport report = import_ok({.format = "ravdess", .root = root, .out = dir / "c.h5"});
  EXPECT_EQ(report.imported, 224u);  // 256 files, 32 of them calm
  EXPECT_EQ(count_of(report, "calm"), 32);
  EXPECT_TRUE(report.problems.empty());
  const auto corpus = open_ok(dir / "c.h5");
  const std::map<std::string, int> expected = {{"neutral", 32},
                                               {"happy", 32},
                                               {"sad", 32},
                                               {"angry", 32},
                                               {"fear", 32},
                                               {"surprise", 32},
                                               {"contempt or disgust", 32}};
  EXPECT_EQ(emotions(*corpus), expected);
  EXPECT_TRUE(split_leakage(*corpus).speakers.empty());
  // The files are 16 kHz and 16 bit already: not a sample may change.
  const std::string id = "03-01-05-02-01-01-12";
  const auto original = read_audio_file(root / "Actor_12" / (id + ".wav"));
  ASSERT_TRUE(original) << original.error().message;
  EXPECT_EQ(corpus->read_audio(*corpus->find(id))->samples, original->samples);
  EXPECT_EQ(info_of(*corpus, id).emotion, "angry");
  EXPECT_EQ(info_of(*corpus, id).gender, "female");
  EXPECT_EQ(extra_of(info_of(*corpus, id))["intensity"], "strong");
}

TEST(RealSpeech, RavdessOriginalsAt48kHzSomeStereo) {
  SKIP_WITHOUT_SPEECH(root, "ravdess-raw");
  TempDir dir;
  const ImportReport report = import_ok({.format = "ravdess",
                                         .root = root,
                                         .out = dir / "c.h5",
                                         .label_map = {"calm=neutral"},
                                         .splits = {.shares = {1, 0, 0}}});
  EXPECT_EQ(report.imported, 4u);
  const auto corpus = open_ok(dir / "c.h5");
  for (size_t i = 0; i < corpus->size(); ++i) {
    EXPECT_GT(corpus->seconds(i), 2.5) << corpus->info(i).id;
    EXPECT_LT(corpus->seconds(i), 6.0) << corpus->info(i).id;
  }
}

TEST(RealSpeech, EmoDb) {
  SKIP_WITHOUT_SPEECH(root, "emodb-2s");
  TempDir dir;
  const ImportReport report = import_ok({.format = "emodb", .root = root, .out = dir / "c.h5"});
  EXPECT_EQ(report.imported, 148u);  // 176 files, 28 of them boredom
  EXPECT_EQ(count_of(report, "Langeweile"), 28);
  EXPECT_TRUE(report.problems.empty()) << report.problems[0].file << ": " << report.problems[0].reason;
  const auto corpus = open_ok(dir / "c.h5");
  const std::map<std::string, int> expected = {
      {"angry", 28}, {"contempt or disgust", 14}, {"fear", 25}, {"happy", 26}, {"sad", 27}, {"neutral", 28}};
  EXPECT_EQ(emotions(*corpus), expected);
  const UtteranceInfo& happy = info_of(*corpus, "03a01Fa");
  EXPECT_EQ(happy.source_label, "Freude");
  EXPECT_EQ(happy.transcript, "Der Lappen liegt auf dem Eisschrank.");
  EXPECT_EQ(happy.language, "de");
  EXPECT_EQ(happy.speaker, "03");
  EXPECT_EQ(happy.gender, "male");
  EXPECT_EQ(happy.age_group, "young adult");
  EXPECT_EQ(extra_of(happy)["recognised_percent"], 90.0);
  EXPECT_EQ(extra_of(happy)["natural_percent"], 75.0);
  EXPECT_TRUE(split_leakage(*corpus).speakers.empty());
}

// The real tables of votes over made sound: all 7,442 clips are planned, the clips at hand get their labels.
TEST(RealSpeech, CremaDTables) {
  SKIP_WITHOUT_SPEECH(tables, "crema-d");
  TempDir dir;
  const auto root = dir / "release";
  std::filesystem::create_directories(root / "AudioWAV");
  std::filesystem::create_directory_symlink(tables, root / "tables");
  put_tone(root / "AudioWAV/1001_IEO_HAP_LO.wav");
  put_tone(root / "AudioWAV/1001_IEO_NEU_XX.wav");
  put_tone(root / "AudioWAV/1091_WSI_SAD_XX.wav");
  ImportOptions options{.format = "crema-d", .root = root, .out = dir / "c.h5", .splits = {.shares = {1, 0, 0}}};
  const ImportReport report = import_ok(options);
  EXPECT_EQ(report.imported, 3u);
  EXPECT_TRUE(report.problems.empty()) << report.problems[0].file << ": " << report.problems[0].reason;
  const auto intended = open_ok(dir / "c.h5");
  const auto votes = extra_of(info_of(*intended, "1001_IEO_NEU_XX"))["votes"]["voice"];
  EXPECT_EQ(votes, (nlohmann::json{{"A", 0}, {"D", 0}, {"F", 0}, {"H", 1}, {"N", 10}, {"S", 0}}));
  EXPECT_EQ(info_of(*intended, "1001_IEO_NEU_XX").age_group, "middle-aged");  // 51
  EXPECT_EQ(info_of(*intended, "1001_IEO_HAP_LO").emotion, "happy");
  options.crema_d_labels = CremaDLabels::kVoted;
  import_ok(options);
  EXPECT_EQ(info_of(*open_ok(dir / "c.h5"), "1001_IEO_HAP_LO").emotion, "neutral");
}

}  // namespace
}  // namespace prosodia
