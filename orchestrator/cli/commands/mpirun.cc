#include "orchestrator/cli/commands/mpirun.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "data/base/digest.h"

namespace prosodia::cli {

namespace fs = std::filesystem;

MpirunLine mpirun_line(const MpirunStart& start) {
  MpirunLine line;
  line.argv = {"mpirun", "-n", std::to_string(start.ranks), "--oversubscribe", "--bind-to", "none"};
  const auto add = [&line](std::initializer_list<std::string> words) {
    line.argv.insert(line.argv.end(), words.begin(), words.end());
  };
  if (start.quiet) add({"--quiet"});
  if (start.stop_seconds > 0) add({"--mca", "odls_base_sigkill_timeout", std::to_string(start.stop_seconds)});
  add({start.program});
  line.argv.insert(line.argv.end(), start.arguments.begin(), start.arguments.end());

  // Single-copy transfers need ptrace rights that containers often lack; OpenMPI then complains on every start.
  line.environment = {"OMPI_MCA_btl_vader_single_copy_mechanism=none"};
  if (geteuid() == 0) {
    line.environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT=1");
    line.environment.emplace_back("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1");
  }
  if (!start.scratch.empty()) {
    line.environment.push_back("OMPI_MCA_orte_tmpdir_base=" + start.scratch.string());
    line.environment.push_back("OMPI_MCA_btl_vader_backing_directory=" + start.scratch.string());
  }
  return line;
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

tl::unexpected<Error> exec_mpirun(const MpirunStart& start) {
  MpirunLine line = mpirun_line(start);
  std::vector<char*> argv;
  for (std::string& text : line.argv) argv.push_back(text.data());
  argv.push_back(nullptr);
  for (const std::string& setting : line.environment) {
    const size_t equals = setting.find('=');
    setenv(setting.substr(0, equals).c_str(), setting.c_str() + equals + 1, /*overwrite=*/0);
  }
  execvp(argv[0], argv.data());
  return fail(ErrorCode::kUnavailable, "cannot start mpirun: {}. Next: install openmpi-bin (scripts/bootstrap)",
              std::strerror(errno));
}

}  // namespace prosodia::cli
