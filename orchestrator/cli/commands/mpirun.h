// Starting our own ranks through OpenMPI's mpirun, on one machine, the way it works everywhere: as root, with fewer
// cores than ranks, and without pinning ranks to cores that other processes of the run need.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/base/status.h"

namespace prosodia::cli {

// ["mpirun", flags…, program, arguments…]
std::vector<std::string> mpirun_command(int ranks, const std::string& program,
                                        const std::vector<std::string>& arguments);
// "NAME=value" settings that go with it; with a `scratch` folder, everything temporary goes there.
std::vector<std::string> mpirun_environment(const std::filesystem::path& scratch = {});
// Where mpirun and its ranks keep sockets and shared memory: a folder of the run's own, which the supervisor empties,
// since a killed mpirun leaves everything behind. In shared memory when there is one; short, for the limit on socket
// paths. Call when the run's folder is there.
std::filesystem::path mpi_scratch(const std::filesystem::path& output_dir);
// Replaces this process. Returns only on failure: kUnavailable.
tl::unexpected<Error> exec_mpirun(int ranks, const std::string& program, const std::vector<std::string>& arguments);

}  // namespace prosodia::cli
