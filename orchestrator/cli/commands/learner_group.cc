#include "orchestrator/cli/commands/learner_group.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>

#include "orchestrator/cli/commands/mpirun.h"
#include "orchestrator/launch/signals.h"
#include "orchestrator/launch/supervisor.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHeartbeatVariable = "PROSODIA_HEARTBEAT_FILE";

}  // namespace

MpiOptions learner_mpi_options(const Options& options) {
  return {.deadline = std::chrono::milliseconds(static_cast<int64_t>(options.real("collective_timeout_s") * 1000))};
}

Result<int> supervise_learner_group(const Options& options, const CommandContext& context, const std::string& words,
                                    const fs::path& output_dir) {
  launch::ProcessSpec group;
  group.name = "the group of ranks";
  std::vector<std::string> arguments = {words};
  arguments.insert(arguments.end(), context.arguments.begin(), context.arguments.end());
  group.scratch = mpi_scratch(output_dir);
  MpirunLine line = mpirun_line({.ranks = static_cast<int>(options.integer("nproc_per_node")),
                                 .program = context.program,
                                 .arguments = std::move(arguments),
                                 .scratch = group.scratch,
                                 .quiet = true});  // ranks and supervisor say what happened
  group.argv = std::move(line.argv);
  group.environment = std::move(line.environment);
  const fs::path heartbeat = group.scratch / "heartbeat";
  group.environment.push_back(fmt::format("{}={}", kHeartbeatVariable, heartbeat.string()));
  group.inherit_stdout = true;

  launch::SupervisorOptions supervisor_options;
  supervisor_options.restart.max_restarts = static_cast<int>(options.integer("max_restarts"));
  supervisor_options.restart.max_delay_ms = static_cast<int64_t>(options.real("restart_delay_max_s") * 1000);
  supervisor_options.leader_silence_ms = static_cast<int64_t>(options.real("learner_timeout_s") * 1000);
  supervisor_options.leader_heartbeat = heartbeat;
  supervisor_options.leader_final_codes = {1, 2, 3, 5};
  supervisor_options.leader_stop_signal = SIGUSR1;
  supervisor_options.log = [&words](const std::string& line) { fmt::print(stderr, "{}: {}\n", words, line); };
  launch::Supervisor supervisor(std::move(supervisor_options), std::move(group), {});
  return supervisor.run(context.stop, launch::take_over_second_signal());
}

GroupHeartbeat::GroupHeartbeat() {
  if (const char* file = std::getenv(kHeartbeatVariable)) file_ = file;
}

void GroupHeartbeat::beat() const {
  if (file_.empty()) return;
  // Without the scratch folder there is nobody to look.
  const int fd = ::open(file_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  (void)::futimens(fd, nullptr);
  ::close(fd);
}

}  // namespace prosodia::cli
