// LearnerLink over protocol::WorkerClient.
#include <utility>

#include "workers/learner/learner.h"

namespace prosodia {
namespace {

class CoordinatorLink final : public LearnerLink {
 public:
  explicit CoordinatorLink(std::unique_ptr<protocol::WorkerClient> client) : client_(std::move(client)) {}

  uint64_t resume_version() const override { return client_->welcome().resume_version.value; }

  Result<LearnerTask> next(std::chrono::milliseconds wait) override {
    PROSODIA_ASSIGN(auto task, client_->next_task(wait));
    LearnerTask out;
    if (!task) return out;
    out.lease = task->lease;
    if (auto* batch = std::get_if<protocol::StepBatch>(&task->body))
      out.body = std::move(*batch);
    else if (auto* request = std::get_if<protocol::CheckpointRequest>(&task->body))
      out.body = std::move(*request);
    else if (auto* shutdown = std::get_if<protocol::Shutdown>(&task->body))
      out.body = std::move(*shutdown);
    else
      return fail(ErrorCode::kInternal, "the coordinator sent a worker's task to the learner");
    return out;
  }

  void report_progress(LeaseId lease, uint64_t counter) override { client_->report_progress(lease, counter); }
  Status announce_weights(const std::vector<protocol::ServedVersion>& served) override {
    return client_->announce_weights(served);
  }
  Status step_done(LeaseId lease, const protocol::StepDone& done) override {
    return client_->send_step_done(lease, done);
  }
  Status checkpoint_committed(const protocol::CheckpointCommitted& committed) override {
    return client_->send_checkpoint_committed(committed);
  }
  void flush() override { client_->flush(std::chrono::seconds(5)); }

 private:
  std::unique_ptr<protocol::WorkerClient> client_;
};

}  // namespace

ConnectLearner connect_to_coordinator(protocol::WorkerClientOptions options) {
  return [options](const LearnerHello& hello) -> Result<std::unique_ptr<LearnerLink>> {
    protocol::WorkerClientOptions filled = options;
    filled.role = protocol::Role::kLearner;
    filled.resumable = hello.resumable;
    filled.weights_endpoint = hello.weights_endpoint;
    PROSODIA_ASSIGN(auto client, protocol::WorkerClient::connect(std::move(filled)));
    return std::make_unique<CoordinatorLink>(std::move(client));
  };
}

}  // namespace prosodia
