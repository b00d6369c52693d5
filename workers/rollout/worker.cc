#include "workers/rollout/worker.h"

#include <spdlog/spdlog.h>

#include <deque>
#include <unordered_map>

#include "data/corpus/audio_store.h"
#include "data/corpus/dataset.h"
#include "workers/model/model.h"
#include "workers/rollout/generate.h"
#include "workers/rollout/weight_fetcher.h"
#include "workers/shutdown.h"

namespace prosodia {
namespace {

using Clock = std::chrono::steady_clock;
using protocol::TaskRollout;

constexpr std::chrono::milliseconds kIdleWait{50};

struct Lease {
  LeaseId id;
  TaskRollout task;
  uint32_t prompt_tokens = 0;
  Clock::time_point started;
  int lane = 0;  // in the trace: groups that run at the same time have different ones
};

class RolloutWorker {
 public:
  RolloutWorker(const RolloutWorkerOptions& options, protocol::WorkerClient& client, Model& model,
                PolicyWeights weights, const Processor& processor, const SamplingParams& sampling)
      : options_(options),
        client_(client),
        processor_(processor),
        engine_(model, sampling, options.engine),
        fetcher_(std::move(weights),
                 {options.weights_timeout, options.retry_min, options.retry_max, options.credentials}) {}

  Status run() {
    while (!options_.stop_requested()) {
      PROSODIA_TRY(take_tasks());
      if (shutdown_) return shutdown_status(*shutdown_);
      drop_cancelled();
      PROSODIA_TRY(start_leases());
      for (GenerationResult& result : engine_.step()) PROSODIA_TRY(send(result));
      trace_sampling();
      report_progress();
    }
    return fail(ErrorCode::kInterrupted, "asked to stop");
  }

 private:
  // Waits only when there is nothing to compute.
  Status take_tasks() {
    const bool busy = !engine_.idle();
    auto wait = busy ? std::chrono::milliseconds(0) : kIdleWait;
    while (true) {
      PROSODIA_ASSIGN(auto task, client_.next_task(wait));
      if (!task) return {};
      wait = std::chrono::milliseconds(0);
      if (auto* rollout = std::get_if<TaskRollout>(&task->body)) {
        waiting_.push_back({task->lease, std::move(*rollout)});
      } else if (const auto* shutdown = std::get_if<protocol::Shutdown>(&task->body)) {
        shutdown_ = *shutdown;
        return {};
      } else {
        spdlog::warn("lease {}: not a rollout task; ignored", task->lease);
      }
    }
  }

  // Leases that expired or went elsewhere: their rows serve wanted groups instead.
  void drop_cancelled() {
    for (const LeaseId lease : client_.take_cancelled()) {
      spdlog::info("lease {}: cancelled by the coordinator", lease);
      engine_.cancel(lease.value);
      running_.erase(lease.value);
      std::erase_if(waiting_, [lease](const Lease& waiting) { return waiting.id == lease; });
    }
  }

  // Submits every waiting lease whose weights are loaded; loads other weights once nothing runs.
  Status start_leases() {
    submit_matching();
    if (!engine_.idle() || waiting_.empty() || !fetcher_.may_try(Clock::now())) return {};
    PROSODIA_TRY(fetch_weights());
    submit_matching();
    return {};
  }

  void submit_matching() {
    for (auto lease = waiting_.begin(); lease != waiting_.end();) {
      if (!fetcher_.holds(lease->task.weights_digest)) {
        ++lease;
        continue;
      }
      if (auto status = submit(*lease); !status) report_failure(*lease, status.error());
      lease = waiting_.erase(lease);
    }
  }

  Status submit(const Lease& lease) {
    const TaskRollout& task = lease.task;
    const std::string name = fmt::format("group {}", task.group_id);
    PROSODIA_ASSIGN(const Sample sample, parse_sample(task.row_json, options_.dataset_dir, name, 1));
    PROSODIA_ASSIGN(EncodedPrompt encoded, processor_.encode(sample, /*generation_prompt=*/true));
    const auto tokens = static_cast<uint32_t>(encoded.token_ids.size());
    if (task.num_generations < 1) return fail(ErrorCode::kInvalidInput, "{}: num_generations is 0", name);
    const Status accepted = engine_.submit({.id = lease.id.value,
                                            .prompt = std::make_shared<const EncodedPrompt>(std::move(encoded)),
                                            .num_generations = static_cast<int>(task.num_generations),
                                            .seed = task.seed});
    if (!accepted) return wrap(accepted.error(), sample.origin);
    if (running_.empty()) sampling_since_ = Clock::now();
    sampled_step_ = task.step.value + 1;
    running_[lease.id.value] = {lease.id, task, tokens, Clock::now(), free_lane()};
    return {};
  }

  // The oldest waiting version first: its step is the one the learner needs next.
  Status fetch_weights() {
    const auto oldest = std::ranges::min_element(
        waiting_, [](const Lease& a, const Lease& b) { return a.task.policy_version < b.task.policy_version; });
    const TaskRollout wanted = oldest->task;
    const TraceSpan span(options_.trace, "fetch_weights", wanted.step.value + 1);
    const Status status = fetcher_.fetch(wanted.policy_version, wanted.weights_digest, wanted.weights_endpoint);
    if (status) {
      if (fetcher_.only_adapter())
        engine_.adapter_changed();
      else
        engine_.weights_changed();
      spdlog::info("policy version {} loaded ({})", wanted.policy_version, wanted.weights_digest.short_hex());
      return {};
    }
    if (status.error().code == ErrorCode::kInvalidInput) return status;
    if (status.error().code != ErrorCode::kStale && status.error().code != ErrorCode::kUnavailable) {
      spdlog::warn("{}; trying again", status.error().message);
      return {};
    }
    // Version or server is gone; a learner that restarts listens elsewhere. Given back, the groups come again with the
    // endpoint of the day; kept, these leases would stay in front of theirs.
    std::erase_if(waiting_, [&](const Lease& lease) {
      if (lease.task.policy_version != wanted.policy_version) return false;
      if (lease.task.weights_endpoint != wanted.weights_endpoint) return false;
      report_failure(lease, status.error());
      return true;
    });
    return {};
  }

  void report_failure(const Lease& lease, const Error& error) {
    spdlog::warn("lease {}, group {}: {}", lease.id, lease.task.group_id, error.message);
    const Status sent = client_.send_failure(lease.id, lease.task.group_id, error.code, error.message);
    if (!sent) spdlog::warn("lease {}: {}", lease.id, sent.error().message);  // next_task reports a lost coordinator
  }

  Status send(GenerationResult& result) {
    const auto found = running_.find(result.id);
    const Lease lease = std::move(found->second);
    running_.erase(found);
    if (options_.trace != nullptr)
      options_.trace->add("group", lease.started, Clock::now(),
                          {{"step", lease.task.step.value + 1},
                           {"group", lease.task.group_id.value},
                           {"policy_version", lease.task.policy_version.value}},
                          lease.lane);
    protocol::RolloutResult message;
    message.group_id = lease.task.group_id;
    message.policy_version = lease.task.policy_version;
    message.prompt_token_count = lease.prompt_tokens;
    message.seconds = std::chrono::duration<double>(Clock::now() - lease.started).count();
    for (Completion& completion : result.completions) {
      const bool stopped = completion.finish_reason == FinishReason::kStop;
      std::string text = processor_.tokenizer().decode(completion.token_ids, /*skip_special=*/true);
      message.completions.push_back({std::move(completion.token_ids), std::move(completion.logprobs),
                                     stopped ? protocol::FinishReason::kStop : protocol::FinishReason::kLength,
                                     std::move(text)});
    }
    return client_.send_result(lease.id, message);
  }

  int free_lane() const {
    int lane = 1;
    while (std::ranges::any_of(running_, [lane](const auto& other) { return other.second.lane == lane; })) ++lane;
    return lane;
  }

  // One phase from the first group taken in to the last one out.
  void trace_sampling() {
    if (!sampling_since_ || !running_.empty()) return;
    if (options_.trace != nullptr)
      options_.trace->add("sample", *sampling_since_, Clock::now(), {{"step", sampled_step_}});
    sampling_since_.reset();
  }

  // Tokens decoded so far renew every lease held here, queued ones too: they advance when the engine does.
  void report_progress() {
    const uint64_t tokens = engine_.decoded_tokens();
    if (tokens == reported_tokens_) return;
    reported_tokens_ = tokens;
    for (const auto& [id, lease] : running_) client_.report_progress(LeaseId(id), tokens);
    for (const Lease& lease : waiting_) client_.report_progress(lease.id, tokens);
  }

  const RolloutWorkerOptions& options_;
  protocol::WorkerClient& client_;
  const Processor& processor_;
  Engine engine_;
  WeightFetcher fetcher_;
  std::deque<Lease> waiting_;
  std::unordered_map<uint64_t, Lease> running_;  // by lease id
  std::optional<protocol::Shutdown> shutdown_;
  uint64_t reported_tokens_ = 0;
  std::optional<Clock::time_point> sampling_since_;  // groups are in the engine
  uint64_t sampled_step_ = 0;                        // of the newest of them
};

}  // namespace

Status run_rollout_worker(const RolloutWorkerOptions& options, protocol::WorkerClient& client) {
  PROSODIA_ASSIGN(const auto model, load_model(options.model_dir, options.model));
  PROSODIA_ASSIGN(const auto processor, Processor::load(options.model_dir, std::make_shared<AudioStore>()));
  const SamplingParams sampling = complete_sampling(options.sampling, model->config(), *processor);
  PROSODIA_ASSIGN(PolicyWeights weights, PolicyWeights::create(*model, options.freeze));
  return RolloutWorker(options, client, *model, std::move(weights), *processor, sampling).run();
}

}  // namespace prosodia
