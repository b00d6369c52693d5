#include "orchestrator/launch/supervisor.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

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
          RestartOptions restart = {.first_delay_ms = 1, .max_delay_ms = 5}, int64_t leader_silence_ms = 60'000) {
    Supervisor supervisor({.restart = restart,
                           .grace_ms = 2000,
                           .leader_stop_ms = 500,
                           .leader_silence_ms = leader_silence_ms,
                           .log = [this](const std::string& line) { log_ += line + "\n"; }},
                          std::move(leader), std::move(others));
    return supervisor.run(stop_, kill_signal_);
  }
  // The same, with a stop request (and a second signal, other than 0) as soon as these files exist.
  int run_and_stop(ProcessSpec leader, std::vector<ProcessSpec> others, const std::vector<std::string>& when = {"up"},
                   int second_signal = 0) {
    std::thread stopper([&] {
      for (const std::string& file : when) {
        while (!fs::exists(directory_ / file)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      stop_ = true;
      kill_signal_ = second_signal;
    });
    const int code = run(std::move(leader), std::move(others));
    stopper.join();
    return code;
  }
  bool is_running(const std::string& pid_file) const {
    const std::string pid = read(pid_file);
    return !pid.empty() && kill(static_cast<pid_t>(std::stol(pid)), 0) == 0;
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
  std::atomic<int> kill_signal_{0};
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
  EXPECT_EQ(run_and_stop(shell("leader", "trap 'exit 6' TERM; touch $DIR/up; while :; do sleep 0.01; done"),
                         {shell("worker", "sleep 30")}),
            6);
}

// SIGTERM meets a leader that has no handler yet.
TEST_F(SupervisorTest, StopEndsALeaderThatCouldNotHandleIt) {
  EXPECT_EQ(run_and_stop(shell("leader",
                               "echo x >> $DIR/starts; [ $(wc -l < $DIR/starts) -lt 2 ] || exit 0; touch $DIR/up; "
                               "exec sleep 30"),
                         {shell("worker", "exec sleep 30")}),
            6);
  EXPECT_EQ(read("starts"), "x\n");
}

TEST_F(SupervisorTest, WorkerThatEndsDuringAStopIsNotStartedAgain) {
  // The worker fails as soon as the leader is told; the leader gives a restart time to show.
  EXPECT_EQ(
      run_and_stop(shell("leader",
                         "trap 'touch $DIR/told; sleep 0.3; exit 6' TERM; touch $DIR/up; "
                         "while :; do sleep 0.01; done"),
                   {shell("worker", "echo x >> $DIR/starts; while [ ! -e $DIR/told ]; do sleep 0.01; done; exit 1")},
                   {"up", "starts"}),
      6);
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

TEST_F(SupervisorTest, TheLeadersGivingUpIsFinal) {
  EXPECT_EQ(run(shell("leader", "echo x >> $DIR/starts; exit 4"), {shell("worker", "exec sleep 30")}), 4);
  EXPECT_EQ(read("starts"), "x\n");
  EXPECT_EQ(run(shell("crashing", "echo x >> $DIR/crashes; [ $(wc -l < $DIR/crashes) -ge 3 ] || kill -9 $$"), {}), 0);
  EXPECT_EQ(read("crashes"), "x\nx\nx\n");
}

TEST_F(SupervisorTest, TheLogsLastLineIsQuoted) {
  EXPECT_EQ(run(shell("leader", "sleep 30"), {shell("worker", "echo no such model: x; exit 3")}), 3);
  EXPECT_THAT(log_, HasSubstr("ends: no such model: x"));
  log_.clear();
  EXPECT_EQ(
      run(shell("leader", "sleep 30"),
          {shell("group", "echo prosodia learner: no space; echo '[host:1] 1 more process has sent help'; exit 5")}),
      5);
  EXPECT_THAT(log_, HasSubstr("ends: prosodia learner: no space\n"));
}

// A stopped process ignores everything but SIGKILL.
TEST_F(SupervisorTest, AProcessThatTheLeaderReportsIsReplaced) {
  EXPECT_EQ(run(shell("leader",
                      "while [ ! -e $DIR/stopped ]; do sleep 0.01; done; sleep 0.1; "
                      "echo nonsense >&$PROSODIA_SUPERVISOR_FD; echo replace nobody because >&$PROSODIA_SUPERVISOR_FD; "
                      "echo replace worker no progress for 5 ms >&$PROSODIA_SUPERVISOR_FD; "
                      "while [ ! -e $DIR/again ]; do sleep 0.01; done"),
                {shell("worker",
                       "[ -e $DIR/stopped ] && touch $DIR/again && exec sleep 30; touch $DIR/stopped; "
                       "kill -STOP $$")}),
            0);
  EXPECT_THAT(log_, HasSubstr("is stuck: no progress for 5 ms"));
  EXPECT_THAT(log_, HasSubstr("worker was ended by signal 9"));
}

TEST_F(SupervisorTest, ALeaderThatFallsSilentIsReplaced) {
  const auto leader = shell("leader",
                            "echo x >> $DIR/starts; [ $(wc -l < $DIR/starts) -ge 2 ] && exit 0; "
                            "echo alive >&$PROSODIA_SUPERVISOR_FD; kill -STOP $$");
  EXPECT_EQ(run(leader, {}, {.first_delay_ms = 1, .max_delay_ms = 5}, /*leader_silence_ms=*/100), 0);
  EXPECT_THAT(log_, HasSubstr("no sign of life"));
}

TEST_F(SupervisorTest, ALeaderThatNeverReportsIsLeftAlone) {
  EXPECT_EQ(run(shell("leader", "sleep 0.4"), {}, {.first_delay_ms = 1, .max_delay_ms = 5}, 100), 0);
  EXPECT_EQ(log_, "");
}

TEST_F(SupervisorTest, ALeaderThatDoesNotStopIsKilled) {
  EXPECT_EQ(run_and_stop(shell("leader", "trap '' TERM; touch $DIR/deaf; while :; do sleep 0.01; done"), {}, {"deaf"}),
            6);
  EXPECT_THAT(log_, HasSubstr("did not end within 500 ms"));
}

TEST_F(SupervisorTest, ASecondSignalKillsEverything) {
  EXPECT_EQ(run_and_stop(
                shell("leader", "trap '' TERM; echo $$ > $DIR/leader; touch $DIR/deaf; while :; do sleep 0.01; done"),
                {shell("worker", "echo $$ > $DIR/worker; kill -STOP $$")}, {"deaf"}, SIGINT),
            128 + SIGINT);
  EXPECT_FALSE(is_running("leader"));
  EXPECT_FALSE(is_running("worker"));
}

// As mpirun's ranks: they outlive their parent, stopped ones included.
TEST_F(SupervisorTest, WhatADeadChildLeavesIsKilledBeforeItStartsAgain) {
  const auto worker = shell("worker",
                            "if [ -e $DIR/orphan ]; then kill -0 $(cat $DIR/orphan) 2>/dev/null && touch $DIR/beside; "
                            "touch $DIR/again; exec sleep 30; fi; "
                            "setsid sh -c 'echo $$ > $DIR/part; mv $DIR/part $DIR/orphan; kill -STOP $$' & "
                            "while [ ! -e $DIR/orphan ]; do sleep 0.01; done; kill -9 $$");
  EXPECT_EQ(run(shell("leader", "while [ ! -e $DIR/again ]; do sleep 0.01; done"), {worker}), 0);
  EXPECT_FALSE(is_running("orphan"));
  EXPECT_FALSE(fs::exists(directory_ / "beside"));
}

TEST_F(SupervisorTest, ScratchIsNewForEveryStartAndGoneAtTheEnd) {
  ProcessSpec worker = shell("worker",
                             "[ -e $DIR/scratch/used ] && touch $DIR/dirty; touch $DIR/scratch/used; "
                             "echo x >> $DIR/starts; [ $(wc -l < $DIR/starts) -ge 2 ] && touch $DIR/ready; exit 1");
  worker.scratch = directory_ / "scratch";
  EXPECT_EQ(run(shell("leader", "while [ ! -e $DIR/ready ]; do sleep 0.01; done"), {worker}), 0);
  EXPECT_FALSE(fs::exists(directory_ / "dirty"));
  EXPECT_FALSE(fs::exists(worker.scratch));
}

// When the supervisor is killed, nobody is left to tidy up: the kernel ends its children.
TEST_F(SupervisorTest, ChildrenDieWithAKilledSupervisor) {
  const Subreaper subreaper;  // so that their ends are seen here
  const pid_t supervisor_pid = fork();
  ASSERT_GE(supervisor_pid, 0);
  if (supervisor_pid == 0) {
    run(shell("leader", "echo $$ > $DIR/leader; exec sleep 600"),
        {shell("worker", "echo $$ > $DIR/worker; kill -STOP $$")});
    _exit(0);
  }
  while (read("leader").empty() || read("worker").empty()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  kill(supervisor_pid, SIGKILL);
  waitpid(supervisor_pid, nullptr, 0);
  for (const char* name : {"leader", "worker"}) {
    const auto pid = static_cast<pid_t>(std::stol(read(name)));
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid) << name;
    EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << name << " ended with status " << status;
  }
}

}  // namespace
}  // namespace prosodia::launch
