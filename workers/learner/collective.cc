#include "workers/learner/collective.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "data/base/bytes.h"

namespace prosodia {
namespace {

class SingleRank final : public Collective {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  Status broadcast(std::span<std::byte>, int) override { return {}; }
  Status all_reduce_sum(std::span<double>) override { return {}; }
  Status barrier() override { return {}; }
  Status reduce_scatter_sum(std::span<float>) override { return {}; }
  Status all_gather(std::span<float>) override { return {}; }
  void set_deadline(std::chrono::milliseconds) override {}
  void abort(int exit_code, std::string_view reason) override {
    spdlog::error("{}", reason);
    spdlog::shutdown();
    std::_Exit(exit_code);
  }
};

bool started_by_mpi() {
  for (const char* variable : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_SIZE"})
    if (const char* value = std::getenv(variable); value && *value) return true;
  return false;
}

}  // namespace

Shard shard_of(size_t count, int rank, int num_ranks) {
  const size_t part = (count + static_cast<size_t>(num_ranks) - 1) / static_cast<size_t>(num_ranks);
  const size_t begin = std::min(count, part * static_cast<size_t>(rank));
  return {begin, std::min(count, begin + part)};
}

Status Collective::all_reduce_sum(std::span<float> values) {
  PROSODIA_TRY(reduce_scatter_sum(values));
  return all_gather(values);
}

Status Collective::broadcast_bytes(std::vector<std::byte>& bytes, int root) {
  uint64_t size = bytes.size();
  PROSODIA_TRY(broadcast(std::as_writable_bytes(std::span(&size, 1)), root));
  bytes.resize(size);
  return broadcast(bytes, root);
}

Status Collective::agree(const Status& mine) {
  std::vector<double> failed(static_cast<size_t>(size()), 0.0);
  failed[static_cast<size_t>(rank())] = mine ? 0.0 : 1.0;
  PROSODIA_TRY(all_reduce_sum(std::span(failed)));
  const auto first = std::find(failed.begin(), failed.end(), 1.0);
  if (first == failed.end()) return {};
  const int root = static_cast<int>(first - failed.begin());
  std::vector<std::byte> bytes;
  if (rank() == root) {
    ByteWriter writer;
    writer.put(static_cast<uint32_t>(mine.error().code));
    writer.put_string(mine.error().message);
    bytes = writer.take();
  }
  PROSODIA_TRY(broadcast_bytes(bytes, root));
  ByteReader reader(bytes);
  const auto code = static_cast<ErrorCode>(reader.get<uint32_t>());
  const std::string message = reader.get_string();
  if (size() == 1) return mine;
  return fail(code, "learner rank {}: {}", root, message);
}

std::unique_ptr<Collective> single_rank_collective() { return std::make_unique<SingleRank>(); }

Result<std::unique_ptr<Collective>> make_collective(const MpiOptions& options) {
  if (!started_by_mpi()) return single_rank_collective();
  return make_mpi_collective(options);
}

}  // namespace prosodia
