#include "orchestrator/cli/commands/eval_run.h"

#include <ATen/Parallel.h>

#include <condition_variable>
#include <map>
#include <mutex>
#include <thread>

#include "workers/model/model.h"

namespace prosodia::cli {
namespace {

constexpr int64_t kSmallModelBytes = int64_t{512} << 20;

// Rows from the engines, waiting for their turn.
class Mailbox {
 public:
  explicit Mailbox(int engines) : running_(engines) {}
  void put(size_t row, std::string response) {
    const std::lock_guard lock(mutex_);
    ready_.emplace(row, std::move(response));
    changed_.notify_one();
  }
  void end(const Status& status) {
    const std::lock_guard lock(mutex_);
    --running_;
    // An engine that was told to stop because another failed has nothing to add.
    if (!status && (status_ || status_.error().code == ErrorCode::kInterrupted)) status_ = status;
    changed_.notify_one();
  }
  // Row `row`'s response; nothing when every engine has ended without it.
  std::optional<std::string> take(size_t row) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return ready_.contains(row) || running_ == 0 || !status_; });
    const auto found = ready_.find(row);
    if (found == ready_.end()) return std::nullopt;
    std::string response = std::move(found->second);
    ready_.erase(found);
    return response;
  }
  Status status() {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<size_t, std::string> ready_;
  int running_;
  Status status_;
};

}  // namespace

Status respond(const EvalWork& work, const std::vector<Sample>& samples, const ResponseSink& sink) {
  std::atomic<bool> ending{false};
  Mailbox mailbox(work.num_engines);
  const auto engine = [&](int index) {
    InferOptions options = work.infer;
    options.first_row += static_cast<size_t>(index);
    options.row_stride = static_cast<size_t>(work.num_engines);
    options.engine.max_rows = std::max(1, (options.engine.max_rows + work.num_engines - 1) / work.num_engines);
    const auto hand_over = [&](size_t row, nlohmann::json answered) -> Status {
      mailbox.put(row, answered.at("completions").at(0).at("text").get<std::string>());
      if (ending) return fail(ErrorCode::kInterrupted, "stopped on request");
      return {};
    };
    Status status;
    try {
      status = infer(*work.model.model, *work.model.processor, samples, options, hand_over);
    } catch (const std::exception& error) {
      status = fail(ErrorCode::kInternal, "sampling: {}", error.what());
    }
    if (!status) ending = true;
    mailbox.end(status);
  };
  std::vector<std::jthread> threads;
  for (int i = 0; i < work.num_engines; ++i) threads.emplace_back(engine, i);
  Status status;
  for (size_t row = work.infer.first_row; row < samples.size() && status; ++row) {
    const auto response = mailbox.take(row);
    if (!response) break;
    status = sink(row, *response);
  }
  if (!status) ending = true;
  threads.clear();
  return status ? mailbox.status() : status;
}

int choose_engines(const LoadedModel& model, int num_threads) {
  int64_t bytes = 0;
  for (const NamedParameter& parameter : model.model->parameters())
    bytes += static_cast<int64_t>(parameter.tensor.nbytes());
  const bool several = bytes <= kSmallModelBytes;
  at::set_num_threads(several ? 1 : num_threads);
  return several ? num_threads : 1;
}

}  // namespace prosodia::cli
