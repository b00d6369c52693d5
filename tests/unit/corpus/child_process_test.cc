#include "data/corpus/child_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "data/corpus/ordered_parallel.h"

namespace prosodia {
namespace {

using ::testing::HasSubstr;

TEST(ChildProcess, CollectsBothStreamsAndTheStatus) {
  const auto output = run_program({"sh", "-c", "echo out; echo err >&2; exit 7"});
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(output->out.data()), output->out.size()), "out\n");
  EXPECT_EQ(output->err, "err\n");
  EXPECT_EQ(output->exit_status, 7);
  EXPECT_EQ(run_program({"sh", "-c", "kill -9 $$"})->exit_status, 128 + 9);
}

TEST(ChildProcess, ArgumentsAreNotInterpreted) {
  const auto output = run_program({"printf", "%s", "$(rm -rf x); `id` '\""});
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(output->out.data()), output->out.size()),
            "$(rm -rf x); `id` '\"");
}

TEST(ChildProcess, LargeOutputOnBothStreamsDoesNotBlock) {
  const auto output = run_program({"sh", "-c", "head -c 3000000 /dev/zero; head -c 3000000 /dev/zero >&2"});
  ASSERT_TRUE(output) << output.error().message;
  EXPECT_EQ(output->out.size(), 3000000u);
  EXPECT_EQ(output->err.size(), 4096u);
}

TEST(ChildProcess, LimitsAreEnforced) {
  const auto missing = run_program({"/no/such/program"});
  EXPECT_EQ(missing.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(missing.error().message, HasSubstr("/no/such/program"));
  ChildLimits limits;
  limits.time = std::chrono::milliseconds(50);
  const auto slow = run_program({"sleep", "60"}, limits);
  EXPECT_THAT(slow.error().message, HasSubstr("did not finish within 50 ms"));
  limits = {};
  limits.out_bytes = 1000;
  EXPECT_THAT(run_program({"cat", "/dev/zero"}, limits).error().message, HasSubstr("more than 1000 bytes"));
}

// Closing the streams must not end the watch over the time.
TEST(ChildProcess, TheLimitHoldsForAProgramThatClosesItsStreams) {
  ChildLimits limits;
  limits.time = std::chrono::milliseconds(50);
  const auto silent = run_program({"sh", "-c", "exec >&- 2>&-; exec sleep 60"}, limits);
  ASSERT_FALSE(silent);
  EXPECT_THAT(silent.error().message, HasSubstr("did not finish within 50 ms"));
}

// A signal interrupts poll(); what poll() had said before must not be acted on.
TEST(ChildProcess, TheLimitHoldsWhenSignalsArrive) {
  struct sigaction action {
  }, before{};
  action.sa_handler = [](int) {};
  ASSERT_EQ(sigaction(SIGALRM, &action, &before), 0);
  const itimerval often{{0, 5000}, {0, 5000}}, never{};
  setitimer(ITIMER_REAL, &often, nullptr);
  ChildLimits limits;
  limits.time = std::chrono::milliseconds(200);
  const auto slow = run_program({"sh", "-c", "echo out; exec sleep 60"}, limits);
  setitimer(ITIMER_REAL, &never, nullptr);
  sigaction(SIGALRM, &before, nullptr);
  ASSERT_FALSE(slow);
  EXPECT_THAT(slow.error().message, HasSubstr("did not finish within 200 ms"));
}

// A killed `data synth` must not leave synthesisers.
TEST(ChildProcess, TheProgramDiesWithItsCaller) {
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // so that its end is seen here
  int ready[2];
  ASSERT_EQ(pipe(ready), 0);
  const pid_t caller = fork();
  ASSERT_GE(caller, 0);
  if (caller == 0) {
    (void)run_program({"sh", "-c", fmt::format("echo $$ >&{}; exec sleep 600", ready[1])});
    _exit(0);
  }
  char text[32] = {};
  ASSERT_GT(read(ready[0], text, sizeof text - 1), 0);
  kill(caller, SIGKILL);
  waitpid(caller, nullptr, 0);
  const auto program = static_cast<pid_t>(std::atol(text));
  int status = 0;
  EXPECT_EQ(waitpid(program, &status, 0), program);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) << status;
  prctl(PR_SET_CHILD_SUBREAPER, 0);
  close(ready[0]);
  close(ready[1]);
}

TEST(OrderedParallel, ConsumesInOrderWithinTheWindow) {
  for (int threads : {1, 2, 5}) {
    std::vector<size_t> seen;
    std::atomic<size_t> produced = 0;
    size_t most_ahead = 0;
    const Status status = ordered_parallel(
        100, threads, 8,
        [&](size_t i) -> Result<size_t> {
          ++produced;
          return i * i;
        },
        [&](size_t i, size_t value) -> Status {
          most_ahead = std::max(most_ahead, produced - i);
          EXPECT_EQ(value, i * i);
          seen.push_back(i);
          return {};
        });
    ASSERT_TRUE(status);
    ASSERT_EQ(seen.size(), 100u);
    EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
    EXPECT_LE(most_ahead, 9u);
  }
}

TEST(OrderedParallel, TheFirstErrorInItemOrderEndsTheWork) {
  size_t consumed = 0;
  const Status status = ordered_parallel(
      1000, 4, 16,
      [](size_t i) -> Result<int> {
        if (i >= 20) return fail(ErrorCode::kUnavailable, "item {}", i);
        return 0;
      },
      [&](size_t, int) -> Status {
        ++consumed;
        return {};
      });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "item 20");
  EXPECT_EQ(consumed, 20u);
  const Status refused = ordered_parallel(
      10, 2, 4, [](size_t) -> Result<int> { return 1; },
      [](size_t i, int) -> Status {
        if (i == 3) return fail(ErrorCode::kStorage, "full");
        return {};
      });
  EXPECT_EQ(refused.error().message, "full");
}

}  // namespace
}  // namespace prosodia
