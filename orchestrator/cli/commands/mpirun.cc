#include "orchestrator/cli/commands/mpirun.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "data/base/digest.h"

namespace prosodia::cli {

namespace fs = std::filesystem;

std::vector<std::string> mpirun_command(int ranks, const std::string& program,
                                        const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {"mpirun", "-n",   std::to_string(ranks), "--oversubscribe", "--bind-to",
                                      "none",   program};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

std::vector<std::string> mpirun_environment(const fs::path& scratch) {
  std::vector<std::string> environment = {
      // Single-copy transfers need ptrace rights that containers often lack; OpenMPI then complains on every start.
      "OMPI_MCA_btl_vader_single_copy_mechanism=none",
  };
  if (geteuid() == 0) {
    environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT=1");
    environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
  }
  if (!scratch.empty()) {
    environment.push_back("OMPI_MCA_orte_tmpdir_base=" + scratch.string());
    environment.push_back("OMPI_MCA_btl_vader_backing_directory=" + scratch.string());
  }
  return environment;
}

fs::path mpi_scratch(const fs::path& output_dir) {
  std::error_code error;
  const std::string run = fs::absolute(output_dir, error).lexically_normal().string();
  struct stat folder {};  // tells runs of equal paths in different containers apart
  (void)!stat(run.c_str(), &folder);
  const fs::path shared_memory = "/dev/shm";
  const fs::path base = fs::is_directory(shared_memory, error) ? shared_memory : fs::temp_directory_path(error);
  return base /
         ("prosodia-" +
          DigestBuilder().add(run).add(uint64_t{folder.st_dev}).add(uint64_t{folder.st_ino}).finish().short_hex());
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
