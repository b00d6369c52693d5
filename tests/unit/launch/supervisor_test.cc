#include "orchestrator/launch/supervisor.h"

#include <gmock/gmock.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace prosodia::launch {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class SupervisorTest : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::path(testing::TempDir()) / fmt::format("supervisor-{}", getpid());
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  ProcessSpec shell(const std::string& name, const std::string& script) const {
    return {.name = name,
            .argv = {"/bin/sh", "-c", script},
            .environment = {"DIR=" + directory_.string()},
            .log = directory_ / (name + ".log")};
  }
  int run(ProcessSpec leader, std::vector<ProcessSpec> others,
          RestartOptions restart = {.first_delay_ms = 1, .max_delay_ms = 5}) {
    Supervisor supervisor(
        {.restart = restart, .grace_ms = 2000, .log = [this](const std::string& line) { log_ += line + "\n"; }},
        std::move(leader), std::move(others));
    return supervisor.run(stop_);
  }
  std::string read(const std::string& file) const {
    std::ifstream stream(directory_ / file);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
  }

  fs::path directory_;
  std::string log_;
  std::atomic<bool> stop_{false};
};

TEST_F(SupervisorTest, LeaderEndsTheRunAndTheOthers) {
  EXPECT_EQ(run(shell("leader", "sleep 0.1; exit 0"),
                {shell("worker", "trap 'echo told; exit 0' TERM; while :; do sleep 0.01; done")}),
            0);
  EXPECT_THAT(read("worker.log"), HasSubstr("told"));
}

TEST_F(SupervisorTest, FailedWorkerStartsAgain) {
  // The worker fails twice, then tells the leader to end.
  const auto worker = shell(
      "worker", "echo x >> $DIR/starts; [ $(wc -l < $DIR/starts) -ge 3 ] || kill -9 $$; touch $DIR/ready; sleep 5");
  EXPECT_EQ(run(shell("leader", "while [ ! -e $DIR/ready ]; do sleep 0.01; done"), {worker}), 0);
  EXPECT_EQ(read("starts"), "x\nx\nx\n");
  EXPECT_THAT(log_, HasSubstr("worker was ended by signal 9"));
}

TEST_F(SupervisorTest, BadInputIsFinal) {
  EXPECT_EQ(run(shell("leader", "sleep 30"), {shell("worker", "exit 3")}), 3);
  EXPECT_THAT(log_, HasSubstr("worker exited with code 3"));
  EXPECT_THAT(log_, HasSubstr("worker.log"));
}

TEST_F(SupervisorTest, GivesUpAfterTheCap) {
  EXPECT_EQ(run(shell("leader", "sleep 30"), {shell("worker", "exit 1")},
                {.first_delay_ms = 1, .max_delay_ms = 2, .max_restarts = 3}),
            4);
  EXPECT_THAT(log_, HasSubstr("giving up"));
}

TEST_F(SupervisorTest, StopReachesTheLeaderFirst) {
  std::thread stopper([this] {
    while (!fs::exists(directory_ / "up")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stop_ = true;
  });
  EXPECT_EQ(run(shell("leader", "trap 'exit 6' TERM; touch $DIR/up; while :; do sleep 0.01; done"),
                {shell("worker", "sleep 30")}),
            6);
  stopper.join();
}

// SIGTERM meets a leader that has no handler yet.
TEST_F(SupervisorTest, StopEndsALeaderThatCouldNotHandleIt) {
  std::thread stopper([this] {
    while (!fs::exists(directory_ / "up")) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stop_ = true;
  });
  EXPECT_EQ(run(shell("leader",
                      "echo x >> $DIR/starts; [ $(wc -l < $DIR/starts) -lt 2 ] || exit 0; touch $DIR/up; "
                      "exec sleep 30"),
                {shell("worker", "exec sleep 30")}),
            6);
  stopper.join();
  EXPECT_EQ(read("starts"), "x\n");
}

TEST_F(SupervisorTest, WorkerThatEndsDuringAStopIsNotStartedAgain) {
  std::thread stopper([this] {
    while (!fs::exists(directory_ / "up") || !fs::exists(directory_ / "starts"))
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stop_ = true;
  });
  // The worker fails as soon as the leader is told; the leader gives a restart time to show.
  EXPECT_EQ(run(shell("leader",
                      "trap 'touch $DIR/told; sleep 0.3; exit 6' TERM; touch $DIR/up; "
                      "while :; do sleep 0.01; done"),
                {shell("worker", "echo x >> $DIR/starts; while [ ! -e $DIR/told ]; do sleep 0.01; done; exit 1")}),
            6);
  stopper.join();
  EXPECT_EQ(read("starts"), "x\n");
  EXPECT_EQ(log_.find("worker exited"), std::string::npos) << log_;
}

TEST_F(SupervisorTest, DeafProcessIsKilled) {
  EXPECT_EQ(run(shell("leader", "while [ ! -e $DIR/deaf ]; do sleep 0.01; done"),
                {shell("worker", "trap '' TERM; touch $DIR/deaf; while :; do sleep 0.01; done")}),
            0);
  EXPECT_THAT(log_, HasSubstr("killing it"));
}

TEST_F(SupervisorTest, MissingProgramIsNamed) {
  EXPECT_EQ(run(shell("leader", "sleep 30"), {{.name = "worker", .argv = {"/no/such/program"}}}), 4);
  EXPECT_THAT(log_, HasSubstr("/no/such/program"));
}

}  // namespace
}  // namespace prosodia::launch
