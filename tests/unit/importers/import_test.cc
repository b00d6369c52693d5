// What all formats share: bad files, reports, interruption, repetition.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <set>

#include "data/corpus/inspect.h"
#include "tests/unit/importers/support.h"

namespace prosodia {
namespace {

using namespace testing;
using ::testing::Contains;
using ::testing::HasSubstr;

class Import : public ::testing::Test {
 protected:
  void SetUp() override {
    for (int actor = 1; actor <= 6; ++actor) {
      for (int emotion : {1, 3, 4, 5}) {
        put_tone(file(actor, emotion), 100 + 40 * actor + emotion, 0.5 + 0.01 * actor);
      }
    }
    options_.format = "ravdess";
    options_.root = root();
    options_.out = dir_ / "c.h5";
    options_.jobs = 2;
  }
  std::filesystem::path root() { return dir_ / "release"; }
  std::filesystem::path file(int actor, int emotion) {
    return root() / fmt::format("Actor_{:02}/03-01-{:02}-01-01-01-{:02}.wav", actor, emotion, actor);
  }
  // The bytes of an undisturbed import of the same tree.
  std::string undisturbed() {
    ImportOptions options = options_;
    options.out = dir_ / "undisturbed.h5";
    import_ok(options);
    return read_text(options.out);
  }
  std::filesystem::path partial() { return dir_ / "c.h5.partial"; }
  std::filesystem::path segment() {
    std::filesystem::path last;
    for (const auto& entry : std::filesystem::directory_iterator(partial() / "journal")) {
      if (entry.file_size() > 64 && entry.path() > last) last = entry.path();
    }
    return last;
  }
  void stop_after(size_t files) {
    ImportOptions options = options_;
    size_t seen = 0;
    options.on_progress = [&](size_t done, size_t) { seen = done; };
    options.stop_requested = [&] { return seen >= files; };
    const auto report = import_corpus(options);
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::kInterrupted);
    EXPECT_THAT(report.error().message, HasSubstr(fmt::format("after {} of 24 files", files)));
    EXPECT_FALSE(std::filesystem::exists(options_.out));
  }
  TempDir dir_;
  ImportOptions options_;
};

TEST_F(Import, BadFilesAreNamedAndTheRestIsImported) {
  std::filesystem::resize_file(file(1, 1), std::filesystem::file_size(file(1, 1)) / 2);
  write_text(file(1, 3), "");
  write_text(file(1, 4), "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n");
  ASSERT_TRUE(write_wav(file(1, 5), {std::vector<float>(16000, 0.0f), 16000}));
  put_tone(file(2, 1), 200, 0.05);
  write_text(file(2, 3), "RIFF but not sound at all");
  const ImportReport report = import_ok(options_);
  EXPECT_EQ(report.imported, 18u);
  ASSERT_EQ(report.problems.size(), 6u);
  const auto reason = [&](int actor, int emotion) {
    return reason_for(report, file(actor, emotion).lexically_relative(root()).string());
  };
  EXPECT_THAT(reason(1, 1), HasSubstr("truncated"));
  EXPECT_THAT(reason(1, 3), HasSubstr("empty file"));
  EXPECT_THAT(reason(1, 4), HasSubstr("Git LFS pointer"));
  EXPECT_THAT(reason(1, 5), HasSubstr("silent"));
  EXPECT_THAT(reason(2, 1), HasSubstr("too short: 0.050 s"));
  EXPECT_THAT(reason(2, 3), HasSubstr("not a readable sound file"));
  EXPECT_EQ(reason(1, 1).find(root().string()), std::string::npos) << "the file is named twice";

  const auto json = nlohmann::json::parse(read_text(dir_ / "c.h5.import.json"));
  EXPECT_EQ(json["imported"], 18);
  EXPECT_EQ(json["bad_files"].size(), 6u);
  EXPECT_EQ(json["splits"]["train"]["utterances"].get<int>() + json["splits"]["validation"]["utterances"].get<int>() +
                json["splits"]["test"]["utterances"].get<int>(),
            18);
  const std::string text = report.to_text(2);
  EXPECT_THAT(text, HasSubstr("bad files: 6"));
  EXPECT_THAT(text, HasSubstr("… and 4 more"));
  EXPECT_THAT(text, HasSubstr("imported 18 utterances"));
  EXPECT_FALSE(std::filesystem::exists(partial()));
}

TEST_F(Import, StrictRefusesAnyBadFile) {
  write_text(file(3, 3), "");
  options_.strict = true;
  const auto report = import_corpus(options_);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(report.error().message, HasSubstr("--strict and bad files: 1; no corpus is written"));
  EXPECT_THAT(report.error().message, HasSubstr("Actor_03/03-01-03-01-01-01-03.wav: empty file"));
  EXPECT_FALSE(std::filesystem::exists(options_.out));
  EXPECT_EQ(nlohmann::json::parse(read_text(dir_ / "c.h5.import.json"))["bad_files"].size(), 1u);
  options_.strict = false;
  const ImportReport lenient = import_ok(options_);
  EXPECT_EQ(lenient.imported, 23u);
  EXPECT_EQ(lenient.resumed, 24u);  // nothing was decoded twice
  put_tone(root() / "Actor_01/odd.wav");
  options_.strict = true;
  EXPECT_THAT(import_corpus(options_).error().message, HasSubstr("odd.wav: wrong name"));
}

TEST_F(Import, NothingToImportIsAnErrorThatSaysWhatWasExpected) {
  options_.root = dir_ / "empty";
  EXPECT_THAT(import_corpus(options_).error().message, HasSubstr("no such folder"));
  std::filesystem::create_directories(options_.root);
  const auto report = import_corpus(options_);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(report.error().message, HasSubstr("expected Actor_01/03-01-05-01-02-01-01.wav"));
  options_.format = "iemocap";
  EXPECT_THAT(import_corpus(options_).error().message, HasSubstr("EmoEvaluation"));
  options_.format = "meld";
  EXPECT_THAT(import_corpus(options_).error().message, HasSubstr("train_sent_emo.csv"));
  options_.format = "jsonl";
  EXPECT_THAT(import_corpus(options_).error().message, HasSubstr("no *.jsonl"));
  options_.format = "tess";
  EXPECT_EQ(import_corpus(options_).error().code, ErrorCode::kUsage);
  EXPECT_FALSE(std::filesystem::exists(partial()));
}

TEST_F(Import, SplitsShareNoSpeaker) {
  import_ok(options_);
  const auto corpus = open_ok(options_.out);
  EXPECT_TRUE(split_leakage(*corpus).speakers.empty());
  std::set<std::string> splits;
  for (size_t i = 0; i < corpus->size(); ++i) splits.insert(corpus->info(i).split);
  EXPECT_EQ(splits.size(), 3u);
}

TEST_F(Import, TheSameBytesWhateverTheJobsAndTheTime) {
  const std::string bytes = undisturbed();
  options_.jobs = 1;
  import_ok(options_);
  EXPECT_TRUE(read_text(options_.out) == bytes);
  import_ok(options_);  // replaces it
  EXPECT_TRUE(read_text(options_.out) == bytes);
}

TEST_F(Import, AStoppedImportGoesOn) {
  write_text(file(1, 1), "");  // a bad file among what is decoded before the stop
  const std::string bytes = undisturbed();
  stop_after(5);
  stop_after(17);
  size_t first = 0;
  options_.on_progress = [&](size_t done, size_t) { first = first == 0 ? done : first; };
  const ImportReport report = import_ok(options_);
  EXPECT_EQ(report.resumed, 17u);
  EXPECT_EQ(first, 18u);
  EXPECT_EQ(report.imported, 23u);
  EXPECT_EQ(report.problems.size(), 1u);
  EXPECT_TRUE(read_text(options_.out) == bytes);
  auto once = nlohmann::json::parse(read_text(dir_ / "undisturbed.h5.import.json"));
  auto twice = nlohmann::json::parse(read_text(dir_ / "c.h5.import.json"));
  once.erase("corpus");
  twice.erase("corpus");
  EXPECT_EQ(once, twice);
  EXPECT_FALSE(std::filesystem::exists(partial()));
}

// Killed without a chance to say goodbye, at three points of the import.
TEST_F(Import, AKilledImportGoesOn) {
  const std::string bytes = undisturbed();
  for (const size_t files : {1, 9, 24}) {
    const pid_t child = ::fork();
    if (child == 0) {
      options_.on_progress = [&](size_t done, size_t) {
        if (done == files) ::raise(SIGKILL);
      };
      (void)import_corpus(options_);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    EXPECT_FALSE(std::filesystem::exists(options_.out));
  }
  import_ok(options_);
  EXPECT_TRUE(read_text(options_.out) == bytes);
  EXPECT_FALSE(std::filesystem::exists(partial())) << "leftovers of the killed ones";
}

TEST_F(Import, ARecordCutByTheEndIsDecodedAgain) {
  const std::string bytes = undisturbed();
  stop_after(12);
  const auto journal = segment();
  std::filesystem::resize_file(journal, std::filesystem::file_size(journal) - 5000);
  const ImportReport report = import_ok(options_);
  EXPECT_LT(report.resumed, 12u);
  EXPECT_TRUE(read_text(options_.out) == bytes);
}

TEST_F(Import, ADamagedRecordIsNotBelieved) {
  const std::string bytes = undisturbed();
  stop_after(12);
  std::string journal = read_text(segment());
  journal[journal.size() / 3] ^= 0x40;
  write_text(segment(), journal);
  const ImportReport report = import_ok(options_);
  EXPECT_LT(report.resumed, 12u);
  EXPECT_TRUE(read_text(options_.out) == bytes);
}

TEST_F(Import, WhatWasDecodedForOtherFilesIsDropped) {
  stop_after(12);
  put_tone(file(6, 5), 333, 0.7);
  const ImportReport report = import_ok(options_);
  EXPECT_EQ(report.resumed, 0u);
  EXPECT_THAT(report.notes, Contains(HasSubstr("decoded for other files or labels; starting again")));
  EXPECT_TRUE(read_text(options_.out) == undisturbed());
}

TEST_F(Import, ASecondImportToTheSameTargetIsRefused) {
  ImportOptions first = options_;
  bool refused = false;
  first.on_progress = [&](size_t done, size_t) {
    if (done != 3) return;
    const auto second = import_corpus(options_);
    refused = !second && second.error().code == ErrorCode::kUnavailable;
  };
  EXPECT_EQ(import_ok(first).imported, 24u);
  EXPECT_TRUE(refused);
}

TEST_F(Import, RepeatedNamesAreReported) {
  put_tone(root() / "copy/Actor_01/03-01-01-01-01-01-01.wav");
  const ImportReport report = import_ok(options_);
  EXPECT_EQ(report.imported, 24u);
  EXPECT_THAT(reason_for(report, "copy/Actor_01/03-01-01-01-01-01-01.wav"),
              HasSubstr("repeated: \"03-01-01-01-01-01-01\" is also Actor_01/03-01-01-01-01-01-01.wav"));
}

TEST_F(Import, AStorageFailureIsOne) {
  options_.out = root() / "Actor_01/03-01-01-01-01-01-01.wav/c.h5";  // below a file
  const auto report = import_corpus(options_);
  ASSERT_FALSE(report);
  EXPECT_EQ(report.error().code, ErrorCode::kStorage);
}

}  // namespace
}  // namespace prosodia
