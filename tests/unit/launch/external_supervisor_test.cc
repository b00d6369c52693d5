// What processes do for a supervisor that is not their parent: a batch script whose roles are Slurm steps.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "data/base/status.h"
#include "orchestrator/launch/mpi_world.h"
#include "orchestrator/launch/signals.h"
#include "orchestrator/launch/supervisor_line.h"

namespace prosodia::launch {
namespace {

namespace fs = std::filesystem;

class ExternalSupervisorTest : public testing::Test {
 protected:
  void SetUp() override {
    path_ = fs::path(testing::TempDir()) / fmt::format("line-{}", getpid());
    fs::remove(path_);
    unsetenv("PROSODIA_SUPERVISOR_FD");
    setenv("PROSODIA_SUPERVISOR_FIFO", path_.c_str(), 1);
  }
  void TearDown() override {
    fs::remove(path_);
    unsetenv("PROSODIA_SUPERVISOR_FIFO");
  }
  fs::path path_;
};

TEST_F(ExternalSupervisorTest, ReportsReachANamedFifo) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  const int reader = open(path_.c_str(), O_RDONLY | O_NONBLOCK);
  ASSERT_GE(reader, 0);
  {
    const SupervisorReporter reporter;
    ASSERT_TRUE(reporter.connected());
    reporter.alive();
    reporter.replace("rollout-3", "no progress\nfor 5 s");
  }
  std::array<char, 200> buffer{};
  const ssize_t size = read(reader, buffer.data(), buffer.size());
  ASSERT_GT(size, 0);
  EXPECT_EQ(std::string(buffer.data(), static_cast<size_t>(size)), "alive\nreplace rollout-3 no progress for 5 s\n");
  EXPECT_EQ(read(reader, buffer.data(), buffer.size()), 0) << "the reporter has gone and left the FIFO open";
  close(reader);
}

TEST_F(ExternalSupervisorTest, AFifoThatNobodyReadsIsNoSupervisor) {
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_FALSE(SupervisorReporter().connected());
}

TEST_F(ExternalSupervisorTest, AFileIsNotWrittenTo) {
  std::ofstream(path_) << "";
  {
    const SupervisorReporter reporter;
    EXPECT_FALSE(reporter.connected());
    reporter.alive();
  }
  EXPECT_EQ(fs::file_size(path_), 0U);
}

// Deaf to the flag, as in a collective whose other side is gone.
TEST(EndAfterStopSignal, EndsAProcessThatDoesNotReact) {
  std::array<int, 2> ready{};
  ASSERT_EQ(pipe(ready.data()), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    install_stop_signals();
    end_after_stop_signal(1);
    (void)!write(ready[1], "x", 1);
    while (true) pause();
  }
  char byte = 0;
  ASSERT_EQ(read(ready[0], &byte, 1), 1);
  kill(child, SIGTERM);
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM) << "status " << status;
}

TEST(StartedBySrun, TasksOfAStepButNotRanksOfAnMpirunInIt) {
  unsetenv("OMPI_COMM_WORLD_RANK");
  unsetenv("SLURM_STEP_ID");
  EXPECT_FALSE(started_by_srun());
  setenv("SLURM_STEP_ID", "3", 1);
  EXPECT_TRUE(started_by_srun());
  setenv("OMPI_COMM_WORLD_RANK", "0", 1);
  EXPECT_FALSE(started_by_srun());
  unsetenv("OMPI_COMM_WORLD_RANK");
  unsetenv("SLURM_STEP_ID");
}

}  // namespace
}  // namespace prosodia::launch
