// The MPI implementation of Collective. Everything is non-blocking plus a polling wait, so that deadlines hold and a
// waiting rank sleeps. Tensors travel point to point in windows: counts stay far below MPI's 2^31 limit and extra
// memory is bounded. Sums are taken by the shard's owner in rank order.
#define OMPI_SKIP_MPICXX 1  // the C interface only; the C++ one is another library
#include <mpi.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <limits>
#include <string>
#include <thread>
#include <utility>

#include "workers/learner/collective.h"

namespace prosodia {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kTag = 7;

// MPI_Init once, MPI_Finalize when the last collective goes. Learner ranks use MPI from one thread.
int live_collectives = 0;
bool finalize_here = false;

Status initialise() {
  int initialised = 0;
  MPI_Initialized(&initialised);
  if (!initialised) {
    int provided = 0;
    if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
      return fail(ErrorCode::kUnavailable, "MPI_Init failed. Next: start the learner with mpirun or srun --mpi=pmix");
    finalize_here = true;
  }
  return {};
}

class Mpi final : public Collective {
 public:
  Mpi(MPI_Comm communicator, const MpiOptions& options) : communicator_(communicator), options_(options) {
    MPI_Comm_rank(communicator_, &rank_);
    MPI_Comm_size(communicator_, &size_);
    ++live_collectives;
  }
  ~Mpi() override {
    MPI_Comm_free(&communicator_);
    if (--live_collectives == 0 && finalize_here) {
      finalize_here = false;
      MPI_Finalize();
    }
  }
  int rank() const override { return rank_; }
  int size() const override { return size_; }

  Status broadcast(std::span<std::byte> bytes, int root) override {
    constexpr size_t kPart = size_t{1} << 30;
    for (size_t begin = 0; begin < bytes.size(); begin += kPart) {
      const auto count = static_cast<int>(std::min(kPart, bytes.size() - begin));
      MPI_Request request;
      PROSODIA_TRY(
          check(MPI_Ibcast(bytes.data() + begin, count, MPI_BYTE, root, communicator_, &request), "broadcast"));
      PROSODIA_TRY(wait(std::span(&request, 1), "broadcast"));
    }
    return {};
  }

  // Everyone gets everyone's values and adds them in rank order.
  Status all_reduce_sum(std::span<double> values) override {
    if (size_ == 1 || values.empty()) return {};
    if (values.size() > size_t{std::numeric_limits<int>::max()} / static_cast<size_t>(size_))
      return fail(ErrorCode::kInternal, "all_reduce_sum of {} doubles: meant for small things", values.size());
    std::vector<double> all(values.size() * static_cast<size_t>(size_));
    const int count = static_cast<int>(values.size());
    MPI_Request request;
    PROSODIA_TRY(
        check(MPI_Iallgather(values.data(), count, MPI_DOUBLE, all.data(), count, MPI_DOUBLE, communicator_, &request),
              "all_reduce_sum"));
    PROSODIA_TRY(wait(std::span(&request, 1), "all_reduce_sum"));
    for (size_t i = 0; i < values.size(); ++i) {
      double total = all[i];
      for (int r = 1; r < size_; ++r) total += all[static_cast<size_t>(r) * values.size() + i];
      values[i] = total;
    }
    return {};
  }

  Status barrier() override {
    MPI_Request request;
    PROSODIA_TRY(check(MPI_Ibarrier(communicator_, &request), "barrier"));
    return wait(std::span(&request, 1), "barrier");
  }

  Status reduce_scatter_sum(std::span<float> values) override {
    if (size_ == 1) return {};
    const size_t part = shard_of(values.size(), 0, size_).size();
    std::vector<float> arrived(std::min(part, options_.window_floats) * static_cast<size_t>(size_));
    for (size_t offset = 0; offset < part; offset += options_.window_floats)
      PROSODIA_TRY(exchange_window(values, offset, arrived));
    return {};
  }

  Status all_gather(std::span<float> values) override {
    if (size_ == 1) return {};
    const size_t part = shard_of(values.size(), 0, size_).size();
    for (size_t offset = 0; offset < part; offset += options_.window_floats) {
      std::vector<MPI_Request> requests;
      for (int peer = 0; peer < size_; ++peer) {
        if (peer == rank_) continue;
        const auto theirs = window(values, peer, offset), mine = window(values, rank_, offset);
        PROSODIA_TRY(receive(theirs, peer, requests));
        PROSODIA_TRY(send(mine, peer, requests));
      }
      PROSODIA_TRY(wait(requests, "all_gather"));
    }
    return {};
  }

  void set_deadline(std::chrono::milliseconds deadline) override { options_.deadline = deadline; }

  void abort(int exit_code, std::string_view reason) override {
    spdlog::error("learner rank {}: {}; ending the learner group", rank_, reason);
    spdlog::default_logger()->flush();
    MPI_Abort(communicator_, exit_code);
    std::_Exit(exit_code);
  }

 private:
  // The part of peer's shard that starts `offset` elements into it.
  std::span<float> window(std::span<float> values, int peer, size_t offset) const {
    const Shard shard = shard_of(values.size(), peer, size_);
    if (offset >= shard.size()) return {};
    return values.subspan(shard.begin + offset, std::min(options_.window_floats, shard.size() - offset));
  }

  Status exchange_window(std::span<float> values, size_t offset, std::vector<float>& arrived) {
    const std::span<float> mine = window(values, rank_, offset);
    std::vector<MPI_Request> requests;
    for (int peer = 0; peer < size_; ++peer) {
      if (peer == rank_) continue;
      PROSODIA_TRY(
          receive(std::span(arrived).subspan(static_cast<size_t>(peer) * mine.size(), mine.size()), peer, requests));
      PROSODIA_TRY(send(window(values, peer, offset), peer, requests));
    }
    PROSODIA_TRY(wait(requests, "reduce_scatter_sum"));
    if (!mine.empty())
      std::copy(mine.begin(), mine.end(),
                arrived.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(rank_) * mine.size()));
    std::copy_n(arrived.begin(), mine.size(), mine.begin());
    for (int peer = 1; peer < size_; ++peer) {
      const float* theirs = arrived.data() + static_cast<size_t>(peer) * mine.size();
      for (size_t i = 0; i < mine.size(); ++i) mine[i] += theirs[i];
    }
    return {};
  }

  Status send(std::span<const float> values, int peer, std::vector<MPI_Request>& requests) {
    if (values.empty()) return {};
    requests.emplace_back();
    return check(MPI_Isend(values.data(), static_cast<int>(values.size()), MPI_FLOAT, peer, kTag, communicator_,
                           &requests.back()),
                 "send");
  }
  Status receive(std::span<float> values, int peer, std::vector<MPI_Request>& requests) {
    if (values.empty()) return {};
    requests.emplace_back();
    return check(MPI_Irecv(values.data(), static_cast<int>(values.size()), MPI_FLOAT, peer, kTag, communicator_,
                           &requests.back()),
                 "receive");
  }

  // Time in which this process itself stood still (a stopped job, a suspended machine) is not the others' fault:
  // between two looks at most kLongestPause counts.
  Status wait(std::span<MPI_Request> requests, const char* what) {
    constexpr Clock::duration kLongestPause = std::chrono::seconds(1);
    Clock::duration waited{0};
    for (auto looked = Clock::now();;) {
      int done = 0;
      PROSODIA_TRY(
          check(MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE), what));
      if (done) return {};
      const auto now = Clock::now();
      waited += std::min(now - std::exchange(looked, now), kLongestPause);
      if (options_.deadline.count() > 0 && waited > options_.deadline)
        return fail(ErrorCode::kUnavailable,
                    "learner rank {}: {} waited more than {} ms for the other ranks: one of them stands still. Next: "
                    "look at the log; the group goes on from its last checkpoint when it is started again",
                    rank_, what, options_.deadline.count());
      if (waited > options_.spin) std::this_thread::sleep_for(options_.poll_sleep);
    }
  }

  Status check(int code, const char* what) const {
    if (code == MPI_SUCCESS) return {};
    char text[MPI_MAX_ERROR_STRING];
    int length = 0;
    MPI_Error_string(code, text, &length);
    return fail(ErrorCode::kUnavailable, "learner rank {}: MPI {} failed: {}", rank_, what,
                std::string_view(text, static_cast<size_t>(length)));
  }

  MPI_Comm communicator_;
  MpiOptions options_;
  int rank_ = 0, size_ = 1;
};

}  // namespace

Result<std::unique_ptr<Collective>> make_mpi_collective(const MpiOptions& options, int communicator_handle) {
  PROSODIA_TRY(initialise());
  const MPI_Comm parent = communicator_handle < 0 ? MPI_COMM_WORLD : MPI_Comm_f2c(communicator_handle);
  MPI_Comm own = MPI_COMM_NULL;
  if (MPI_Comm_dup(parent, &own) != MPI_SUCCESS)
    return fail(ErrorCode::kUnavailable, "MPI_Comm_dup failed: the learner group has no communicator");
  MPI_Comm_set_errhandler(own, MPI_ERRORS_RETURN);
  return std::make_unique<Mpi>(own, options);
}

}  // namespace prosodia
