// Starting our own ranks through OpenMPI's mpirun, on one machine, the way it works everywhere: as root, with fewer
// cores than ranks, and without pinning ranks to cores that other processes of the run need.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/base/status.h"

namespace prosodia::cli {

struct MpirunStart {
  int ranks = 1;
  std::string program;
  std::vector<std::string> arguments;
  std::filesystem::path scratch = {};  // everything temporary goes there; empty = wherever OpenMPI puts it
  bool quiet = false;                  // without mpirun's essays about ranks that ended: others say what happened
  int stop_seconds = 0;                // between SIGTERM and SIGKILL of the ranks; 0 = OpenMPI's second
};
struct MpirunLine {
  std::vector<std::string> argv;         // mpirun, its flags, the program, its arguments
  std::vector<std::string> environment;  // "NAME=value" settings that go with it
};
MpirunLine mpirun_line(const MpirunStart& start);

// Where mpirun and its ranks keep sockets and shared memory: a folder of the run's own, which the supervisor empties,
// since a killed mpirun leaves everything behind. In shared memory when there is one; short, for the limit on socket
// paths. Call when the run's folder is there.
std::filesystem::path mpi_scratch(const std::filesystem::path& output_dir);
// Replaces this process. Returns only on failure: kUnavailable.
tl::unexpected<Error> exec_mpirun(const MpirunStart& start);

}  // namespace prosodia::cli
