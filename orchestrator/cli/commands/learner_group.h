// A group of learner ranks as a run of its own: `sft` on several ranks. This process starts mpirun, watches it, starts
// it again from the last checkpoint when a rank dies or stands still, and leaves nothing behind.
//
//   a rank dies, or waits for another longer than --collective_timeout_s   the group ends and is started again
//   no sign of life from rank 0 for --learner_timeout_s                     the group is killed and started again
//   a stop request                                                          every rank gets SIGUSR1 (mpirun passes it
//                                                                           on), saves and ends; exit code 6
//   exit codes 0, 1, 2, 3, 5, 6 of a rank                                   final
// Thread rule: main's thread. Failure rule: as Supervisor::run.
#pragma once

#include <filesystem>
#include <string>

#include "orchestrator/cli/commands/command.h"
#include "orchestrator/cli/options.h"
#include "workers/learner/collective.h"

namespace prosodia::cli {

// Runs `program words… arguments` on --nproc_per_node ranks. Returns the run's exit code.
Result<int> supervise_learner_group(const Options& options, const CommandContext& context, const std::string& words,
                                    const std::filesystem::path& output_dir);

MpiOptions learner_mpi_options(const Options& options);

// A rank's end: touches the file that the supervising process looks at. Without one it does nothing.
class GroupHeartbeat {
 public:
  GroupHeartbeat();  // from the environment
  void beat() const;

 private:
  std::filesystem::path file_;
};

}  // namespace prosodia::cli
