#include "orchestrator/cli/commands/mpirun.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

namespace prosodia::cli {

std::vector<std::string> mpirun_command(int ranks, const std::string& program,
                                        const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"mpirun", "-n",   std::to_string(ranks), "--oversubscribe", "--bind-to",
                                      "none",   program};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

std::vector<std::string> mpirun_environment() {
  std::vector<std::string> environment = {
      // Single-copy transfers need ptrace rights that containers often lack; OpenMPI then complains on every start.
      "OMPI_MCA_btl_vader_single_copy_mechanism=none",
  };
  if (geteuid() == 0) {
    environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT=1");
    environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
  }
  return environment;
}

tl::unexpected<Error> exec_mpirun(int ranks, const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> command = mpirun_command(ranks, program, arguments);
  // Between SIGTERM and SIGKILL: time to finish the step and save.
  command.insert(command.begin() + 1, {"--mca", "odls_base_sigkill_timeout", "60"});
  std::vector<char*> argv;
  for (std::string& text : command) argv.push_back(text.data());
  argv.push_back(nullptr);
  for (const std::string& setting : mpirun_environment()) {
    const size_t equals = setting.find('=');
    setenv(setting.substr(0, equals).c_str(), setting.c_str() + equals + 1, /*overwrite=*/0);
  }
  execvp(argv[0], argv.data());
  return fail(ErrorCode::kUnavailable, "cannot start mpirun: {}. Next: install openmpi-bin (scripts/bootstrap)",
              std::strerror(errno));
}

}  // namespace prosodia::cli
