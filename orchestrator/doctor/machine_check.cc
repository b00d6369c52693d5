#include "orchestrator/doctor/machine_check.h"

#define OMPI_SKIP_MPICXX 1  // the C interface only; the C++ one is another library

#include <dlfcn.h>
#include <hdf5.h>
#include <mpi.h>
#include <sndfile.h>
#include <sodium.h>
#include <soxr.h>
#include <sys/timex.h>
#include <unistd.h>
#include <zmq.h>
#include <zstd.h>

#include <cstdlib>

#include "data/corpus/child_process.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::doctor {
namespace {

Finding libraries(const MachineCheckOptions& options) {
  int zmq[3];
  zmq_version(&zmq[0], &zmq[1], &zmq[2]);
  unsigned hdf5[3];
  H5get_libversion(&hdf5[0], &hdf5[1], &hdf5[2]);
  std::string text;
  for (const auto& [library, version] : options.torch) text += fmt::format("{} {}, ", library, version);
  return ok("libraries", fmt::format("{}ZeroMQ {}, HDF5 {}, {}, {}, libsodium {}, zstd {}", text, fmt::join(zmq, "."),
                                     fmt::join(hdf5, "."), sf_version_string(), soxr_version(), sodium_version_string(),
                                     ZSTD_versionString()));
}

Finding mpi(const std::vector<std::string>& probe) {
  char version[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(version, &length);
  const std::string text(version, static_cast<size_t>(length));
  const std::string library = text.substr(0, text.find(','));
  if (probe.empty()) return warn("MPI", library + "; not started", "run `prosodia doctor` from the installed binary");
  const auto output = run_program(probe, {.time = std::chrono::seconds(60), .out_bytes = 1 << 20});
  if (!output)
    return bad("MPI", fmt::format("{}: {}", library, output.error().message),
               "install openmpi-bin (scripts/bootstrap); learners need mpirun", ErrorCode::kUnavailable);
  if (output->exit_status != 0) {
    const std::string error = output->err.substr(0, 400);
    return bad("MPI",
               fmt::format("{}: `{}` ended with {}: {}", library, fmt::join(probe, " "), output->exit_status, error),
               "run that command by hand; in containers OMPI_MCA_btl_vader_single_copy_mechanism=none often helps",
               ErrorCode::kUnavailable);
  }
  return ok("MPI", library + "; two ranks start and reach each other");
}

bool opens(const char* library) {
  void* handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
  if (handle != nullptr) dlclose(handle);
  return handle != nullptr;
}

Findings gpu(bool cuda_seen) {
  const bool device_file = access("/dev/nvidia0", F_OK) == 0;
  const bool driver = opens("libcuda.so.1");
  if (!device_file && !driver && !cuda_seen)
    return {warn("GPU", "none: everything runs on the CPU",
                 "nothing, for small models; see `doctor --plan` for large ones")};
  const char* next = "install the driver, CUDA and NCCL, and build with WITH_CUDA=ON";
  Findings findings;
  findings.push_back(driver ? ok("GPU", cuda_seen ? "driver loads; LibTorch sees a CUDA device" : "driver loads")
                            : warn("GPU", "/dev/nvidia0 is there, libcuda.so.1 does not load", next));
  findings.push_back(opens("libnccl.so.2")
                         ? ok("NCCL", "libnccl.so.2 loads")
                         : warn("NCCL", "libnccl.so.2 does not load: ranks cannot share GPU gradients", next));
  findings.push_back(
      opens("libprosodia_cuda.so")
          ? ok("CUDA build", "libprosodia_cuda.so loads")
          : warn("CUDA build", "libprosodia_cuda.so does not load: this build has no GPU collective", next));
  return findings;
}

Finding ports() {
  zmq::context_t context;
  const auto socket = protocol::bind_router(context, "tcp://127.0.0.1:*", {});
  if (!socket)
    return bad("ports", socket.error().message, "allow TCP on 127.0.0.1; coordinator and workers talk over it",
               ErrorCode::kUnavailable);
  return ok("ports", fmt::format("can listen on loopback ({})", protocol::last_endpoint(*socket)));
}

Finding clock_state() {
  timex state = {};
  const int rc = adjtimex(&state);
  const bool synchronised = rc >= 0 && rc != TIME_ERROR && !(state.status & STA_UNSYNC);
  if (synchronised) return ok("clock", "synchronised");
  return warn("clock", "not synchronised, or this container cannot tell",
              "start an NTP client on every host; only time stamps in logs and curves depend on it");
}

Finding program(const char* name, const std::vector<std::string>& arguments, const char* use, const char* next) {
  const auto output = run_program(arguments, {.time = std::chrono::seconds(10), .out_bytes = 1 << 20});
  if (!output) return warn(name, fmt::format("not found: {}", use), next);
  std::string first(reinterpret_cast<const char*>(output->out.data()), output->out.size());
  first = first.substr(0, first.find('\n'));
  constexpr size_t kWidth = 60;
  return ok(name, first.substr(0, kWidth));
}

}  // namespace

Findings check_machine(const MachineCheckOptions& options) {
  Findings findings = {libraries(options), mpi(options.mpi_probe)};
  const auto append = [&](Findings more) { std::move(more.begin(), more.end(), std::back_inserter(findings)); };
  append(gpu(options.cuda_seen));
  findings.push_back(ports());
  findings.push_back(clock_state());
  append(check_limits(options.work_dir));
  findings.push_back(program("espeak-ng", {"espeak-ng", "--version"}, "only `data synth` needs it",
                             "apt-get install espeak-ng (scripts/bootstrap)"));
  if (const char* job = std::getenv("SLURM_JOB_ID"))
    findings.push_back(ok("Slurm", fmt::format("inside job {}", job)));
  else
    findings.push_back(program("Slurm", {"sinfo", "--version"}, "only runs on a Slurm cluster need it",
                               "nothing on one machine; on a cluster run this on a login node"));
  return findings;
}

}  // namespace prosodia::doctor
