// Following files that grow, are cut back and come late; and when a run counts as over.
#include <gmock/gmock.h>

#include <filesystem>
#include <fstream>

#include "data/store/fs.h"
#include "orchestrator/monitor/http_get.h"
#include "orchestrator/monitor/watch/file_tail.h"
#include "orchestrator/monitor/watch/run_source.h"
#include "tests/unit/watch/watch_model_util.h"

namespace prosodia::watch {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Sources : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::path(testing::TempDir()) /
           ("watch-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(dir_);
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  void put(const std::string& name, const std::string& text) { std::ofstream(dir_ / name) << text; }
  void add(const std::string& name, const std::string& text) { std::ofstream(dir_ / name, std::ios::app) << text; }
  void add_step(uint64_t step, uint64_t total) {
    add("metrics.jsonl", dump_line(metrics_line(watched_step(step, total))) + "\n");
  }
  static std::string dump_line(const nlohmann::ordered_json& json) { return json.dump(); }
  fs::path dir_;
};

TEST_F(Sources, TailHandsOutWholeLinesOnce) {
  FileTail tail(dir_ / "f", 1000);
  EXPECT_THAT(tail.poll()->lines, IsEmpty()) << "not there yet";
  put("f", "one\ntw");
  EXPECT_THAT(tail.poll()->lines, ElementsAre("one"));
  add("f", "o\nthree\n");
  const auto news = tail.poll();
  EXPECT_THAT(news->lines, ElementsAre("two", "three"));
  EXPECT_FALSE(news->anew);
  EXPECT_THAT(tail.poll()->lines, IsEmpty());
}

TEST_F(Sources, TailSeesThatAFileWasCutBackEvenWhenItHasGrownAgain) {
  FileTail tail(dir_ / "f", 1000);
  put("f", "one\ntwo\nthree\n");
  ASSERT_EQ(tail.poll()->lines.size(), 3u);
  put("f", "one\n");
  auto news = tail.poll();
  EXPECT_TRUE(news->anew);
  EXPECT_THAT(news->lines, ElementsAre("one"));
  put("f", "one\nTWO\nfour\nfive\n");
  EXPECT_THAT(tail.poll()->lines, ElementsAre("TWO", "four", "five")) << "only appended";
  put("f", "one\nTWO\n4444\nFIVE\nsix\n");
  news = tail.poll();
  EXPECT_TRUE(news->anew);
  EXPECT_THAT(news->lines, ElementsAre("one", "TWO", "4444", "FIVE", "six"));
  fs::remove(dir_ / "f");
  EXPECT_TRUE(tail.poll()->anew);
}

TEST_F(Sources, TailReadsTheEndOfALargeFile) {
  std::string text(500, 'x');
  text += "\nlast but one\nlast\n";
  put("f", text);
  FileTail tail(dir_ / "f", 20);
  EXPECT_THAT(tail.poll()->lines, ElementsAre("last but one", "last"));
}

TEST_F(Sources, FolderOfACompleteRunIsOverAtOnce) {
  for (uint64_t step = 1; step <= 3; ++step) add_step(step, 3);
  auto source = open_folder(dir_).value();
  Model model;
  apply(source->poll(100), model);
  EXPECT_EQ(model.liveness, Liveness::kEnded);
  EXPECT_EQ(model.history.last_step(), 3u);
  EXPECT_FALSE(model.live);
}

TEST_F(Sources, FolderIsAliveWhileSomebodyHoldsItsLock) {
  put("config.ini", "");
  put("LOCK", "");
  auto source = open_folder(dir_).value();
  EXPECT_EQ(source->poll(100).liveness, Liveness::kWaiting) << "may be starting";
  add_step(1, 9);
  {
    const auto lock = posix_file_system().lock_file(dir_ / "LOCK");
    ASSERT_TRUE(lock);
    EXPECT_EQ(source->poll(1000).liveness, Liveness::kRunning);
  }
  EXPECT_EQ(source->poll(1001).liveness, Liveness::kRunning) << "the coordinator may come back";
  EXPECT_EQ(source->poll(1001 + kSilenceSeconds).liveness, Liveness::kEnded);
  LiveStatus live = live_status();
  live.phase = RunPhase::kStopped;
  put("status.json", dump_line(to_json(live)));
  auto another = open_folder(dir_).value();
  EXPECT_EQ(another->poll(2000).liveness, Liveness::kEnded) << "it said so";
}

// sft takes no lock and says no number of steps.
TEST_F(Sources, AFolderWithoutALockIsAliveWhileItsMetricsGrow) {
  put("metrics.jsonl", "{\"step\":1,\"loss\":2}\n");
  const auto written = static_cast<double>(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count());
  auto finished = open_folder(dir_).value();
  EXPECT_EQ(finished->poll(written + 3 * kSilenceSeconds).liveness, Liveness::kEnded);
  auto source = open_folder(dir_).value();
  EXPECT_NE(source->poll(written + 1).liveness, Liveness::kEnded);
  add("metrics.jsonl", "{\"step\":2,\"loss\":1}\n");
  EXPECT_NE(source->poll(written + 2 * kSilenceSeconds).liveness, Liveness::kEnded);
  EXPECT_EQ(source->poll(written + 4 * kSilenceSeconds).liveness, Liveness::kEnded);
}

TEST_F(Sources, AResumedRunStartsItsStepsAnew) {
  for (uint64_t step = 1; step <= 5; ++step) add_step(step, 9);
  auto source = open_folder(dir_).value();
  Model model;
  apply(source->poll(1), model);
  fs::remove(dir_ / "metrics.jsonl");
  for (uint64_t step = 1; step <= 2; ++step) add_step(step, 9);
  apply(source->poll(2), model);
  EXPECT_EQ(model.history.last_step(), 2u);
  EXPECT_EQ(model.history.values(metric::kReward).size(), 2u);
}

TEST_F(Sources, DamagedFilesAreSaidNotDrawn) {
  add_step(1, 9);
  add("metrics.jsonl", "garbage\n");
  put("status.json", "{\"format\":1");
  auto source = open_folder(dir_).value();
  const Update update = source->poll(1);
  EXPECT_EQ(update.steps.size(), 1u);
  EXPECT_FALSE(update.live);
  EXPECT_THAT(update.note, HasSubstr("damaged"));
}

TEST_F(Sources, WhatIsNoRunIsRefused) {
  EXPECT_EQ(open_folder(dir_ / "none").error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(open_folder(dir_).error().message, HasSubstr("config.ini"));
  for (const char* bad : {"", "host", "host:", "host:0", "host:70000", "ho st:1", "::1:80", "host:1x"})
    EXPECT_EQ(open_address(bad).error().code, ErrorCode::kUsage) << bad;
  EXPECT_EQ(parse_http_address("http://[::1]:9464/")->host, "::1");
  EXPECT_EQ(parse_http_address("localhost:9464")->port, 9464);
}

TEST_F(Sources, AnAddressWhereNobodyListensEndsInTime) {
  auto source = open_address("127.0.0.1:1").value();
  Update update = source->poll(100);
  EXPECT_EQ(update.liveness, Liveness::kWaiting);
  EXPECT_THAT(update.note, HasSubstr("http://127.0.0.1:1/status.json"));
  EXPECT_EQ(source->poll(100 + kSilenceSeconds).liveness, Liveness::kEnded);
}

}  // namespace
}  // namespace prosodia::watch
