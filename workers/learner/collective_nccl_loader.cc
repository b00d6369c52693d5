// The program's side of the NCCL collective: opens libprosodia_cuda.so, passes the communicator id around over the host
// collective, and routes tensors to the device and small host data to the host collective.
#include <dlfcn.h>

#include <string>

#include "workers/learner/collective.h"
#include "workers/learner/collective_nccl.h"

namespace prosodia {
namespace {

class NcclCollective final : public Collective {
 public:
  NcclCollective(std::unique_ptr<Collective> host, std::unique_ptr<DeviceCommunicator> device)
      : host_(std::move(host)), device_(std::move(device)) {}
  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  Status broadcast(std::span<std::byte> bytes, int root) override { return host_->broadcast(bytes, root); }
  Status all_reduce_sum(std::span<double> values) override { return host_->all_reduce_sum(values); }
  Status barrier() override { return host_->barrier(); }
  Status reduce_scatter_sum(std::span<float> values) override {
    return device_->reduce_scatter_sum(values.data(), values.size());
  }
  Status all_gather(std::span<float> values) override { return device_->all_gather(values.data(), values.size()); }
  void set_deadline(std::chrono::milliseconds deadline) override {
    device_->set_deadline(deadline.count());
    host_->set_deadline(deadline);
  }
  void abort(int exit_code, std::string_view reason) override {
    device_->abort();
    host_->abort(exit_code, reason);
  }

 private:
  std::unique_ptr<Collective> host_;
  std::unique_ptr<DeviceCommunicator> device_;
};

struct CudaLibrary {  // never closed: NCCL keeps threads
  NewNcclId new_id = nullptr;
  NewDeviceCommunicator new_communicator = nullptr;
};

Result<CudaLibrary> open_library(const std::string& path) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return fail(
        ErrorCode::kUnavailable,
        "the GPU library cannot be opened: {}. Next: build with -DWITH_CUDA=ON on a machine with CUDA and NCCL, "
        "or run on the CPU",
        dlerror());
  CudaLibrary library;
  library.new_id = reinterpret_cast<NewNcclId>(dlsym(handle, kNewNcclId));
  library.new_communicator = reinterpret_cast<NewDeviceCommunicator>(dlsym(handle, kNewDeviceCommunicator));
  if (!library.new_id || !library.new_communicator)
    return fail(ErrorCode::kUnavailable, "{} is not this build's GPU library: a function is missing. Next: rebuild",
                path);
  return library;
}

}  // namespace

Result<std::unique_ptr<Collective>> make_nccl_collective(std::unique_ptr<Collective> host, const NcclOptions& options) {
  auto library = open_library(std::string(options.library));
  PROSODIA_TRY(host->agree(library ? Status{} : tl::unexpected(library.error())));
  NcclBootstrap bootstrap;
  bootstrap.rank = host->rank();
  bootstrap.size = host->size();
  bootstrap.device = options.device;
  bootstrap.deadline_ms = options.deadline.count();
  Status status;
  if (bootstrap.rank == 0) library->new_id(&bootstrap.id, &status);
  PROSODIA_TRY(host->agree(status));
  PROSODIA_TRY(host->broadcast(std::as_writable_bytes(std::span(bootstrap.id)), 0));
  DeviceCommunicator* device = nullptr;
  library->new_communicator(&bootstrap, &device, &status);
  PROSODIA_TRY(host->agree(status));
  return std::make_unique<NcclCollective>(std::move(host), std::unique_ptr<DeviceCommunicator>(device));
}

}  // namespace prosodia
