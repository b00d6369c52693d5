// Starting our own ranks through OpenMPI's mpirun, on one machine, the way it works everywhere: as root, with fewer
// cores than ranks, and without pinning ranks to cores that other processes of the run need.
#pragma once

#include <string>
#include <vector>

#include "data/base/status.h"

namespace prosodia::cli {

// ["mpirun", flags…, program, arguments…]
std::vector<std::string> mpirun_command(int ranks, const std::string& program,
                                        const std::vector<std::string>& arguments);
// "NAME=value" settings that go with it.
std::vector<std::string> mpirun_environment();
// Replaces this process. Returns only on failure: kUnavailable.
tl::unexpected<Error> exec_mpirun(int ranks, const std::string& program, const std::vector<std::string>& arguments);

}  // namespace prosodia::cli
