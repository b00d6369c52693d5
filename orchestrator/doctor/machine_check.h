// Whether this machine can run Prosodia, and how well: what `prosodia doctor` prints. Looks at libraries, MPI, GPU,
// ports, clock, disk, shared memory, limits, cores, memory and helper programs; starts two MPI ranks and writes one
// small temporary file in `work_dir`. Blocking, some seconds. Never fails; what is wrong is a finding.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "orchestrator/doctor/finding.h"

namespace prosodia::doctor {

struct MachineCheckOptions {
  std::filesystem::path work_dir;                          // where runs will be: its disk is measured
  std::vector<std::string> mpi_probe;                      // a command that starts MPI ranks and ends with 0
  std::vector<std::pair<std::string, std::string>> torch;  // name, version or state: the caller links LibTorch
  bool cuda_seen = false;                                  // by LibTorch
};

Findings check_machine(const MachineCheckOptions& options);

// machine_limits.cc: what the kernel grants this process. Part of check_machine.
Findings check_limits(const std::filesystem::path& work_dir);

}  // namespace prosodia::doctor
