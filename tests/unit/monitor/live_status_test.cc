#include "orchestrator/monitor/live_status.h"

#include <gmock/gmock.h>

#include <fstream>

#include "orchestrator/monitor/status_board.h"
#include "orchestrator/monitor/status_file.h"
#include "tests/unit/watch/watch_model_util.h"

namespace prosodia {
namespace {

using testing::HasSubstr;

TEST(LiveStatus, RoundTrips) {
  LiveStatus status = watch::live_status();
  status.message = "half a character \xC3";
  status.lag = 1;
  status.last_checkpoint = 50;
  status.counters = {{"leases_expired", "rollout", 3}, {"bad_frames", "", 1}};
  status.newest = watch::watched_step(60, 100);
  status.responses = {{60, sampled(60, 1, 0.3, false)}};
  const auto back = parse_live_status(to_json(status).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  ASSERT_TRUE(back) << back.error().message;
  EXPECT_EQ(back->run_name, "emotion-run");
  EXPECT_EQ(back->phase, RunPhase::kRunning);
  EXPECT_EQ(back->trained_steps, 60u);
  EXPECT_EQ(back->last_checkpoint, 50u);
  EXPECT_EQ(back->groups, status.groups);
  EXPECT_EQ(back->by_state, status.by_state);
  ASSERT_EQ(back->workers.size(), 3u);
  EXPECT_EQ(back->workers[0].rate, 1234.5);
  EXPECT_EQ(back->workers[1].state, "dead");
  EXPECT_EQ(back->workers[1].heard_seconds, 75);
  ASSERT_EQ(back->counters.size(), 2u);
  EXPECT_EQ(back->counters[0].label_value, "rollout");
  EXPECT_EQ(back->newest.step, 60u);
  EXPECT_EQ(back->newest.metrics.at(metric::kKl), status.newest.metrics.at(metric::kKl));
  EXPECT_EQ(back->newest.phase_seconds.at("train"), 0.6);
  ASSERT_EQ(back->responses.size(), 1u);
  EXPECT_EQ(back->responses[0].response.response, status.responses[0].response.response);
}

TEST(LiveStatus, ForeignJsonIsRefusedOrDefaulted) {
  EXPECT_FALSE(parse_live_status("{}"));
  EXPECT_FALSE(parse_live_status("[1]"));
  EXPECT_FALSE(parse_live_status("{\"format\":2}"));
  const auto odd = parse_live_status(
      R"({"format":1,"step":-3,"workers":[1,{"name":5}],"groups":[],"responses":[{"step":"x"}],"newest_step":{"step":"a"},)"
      R"("workers_by_state":{"rollout":3},"phase":"dancing"})");
  ASSERT_TRUE(odd) << odd.error().message;
  EXPECT_EQ(odd->trained_steps, 0u);
  EXPECT_EQ(odd->workers.size(), 1u);
}

TEST(LiveStatus, TextsAreCutAtWholeCharacters) {
  LoggedResponse logged{1, sampled(1, 0, 1, true)};
  logged.response.response.assign(kMaxTextShown - 1, 'a');
  logged.response.response += "語語";
  std::string expected(kMaxTextShown - 1, 'a');
  expected += "…";
  EXPECT_EQ(cut_for_show(logged).response.response, expected);
}

TEST(StatusBoard, KeepsTheNewestStepsAndTakesBackThoseThatComeAgain) {
  StatusBoard board;
  EXPECT_EQ(board.newest(), nullptr);
  for (uint64_t step = 1; step <= 2000; ++step) board.add_step(step, std::to_string(step));
  EXPECT_EQ(board.steps_from(1999), "1999\n2000\n");
  const std::string first = board.steps_from(1);
  EXPECT_TRUE(first.starts_with("977\n978\n")) << first.substr(0, 20);
  EXPECT_EQ(std::count(first.begin(), first.end(), '\n'), 256);
  board.add_step(1999, "again");
  EXPECT_EQ(board.steps_from(1998), "1998\nagain\n");
}

TEST(StatusFile, WritesTheLastStatusWholeAndSurvivesABadPath) {
  const auto dir = std::filesystem::path(testing::TempDir()) / "status-file-test";
  std::filesystem::remove_all(dir);
  std::filesystem::create_directories(dir);
  StatusBoard board;
  {
    StatusFile file(board, dir / "status.json", std::chrono::hours(1));
    StatusFile nowhere(board, dir / "none" / "status.json", std::chrono::hours(1));
    board.put(watch::live_status());
  }
  std::ifstream file(dir / "status.json");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  EXPECT_TRUE(parse_live_status(text)) << text;
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(dir), {}), 1) << "no temporary file stays";
  std::filesystem::remove_all(dir);
}

}  // namespace
}  // namespace prosodia
