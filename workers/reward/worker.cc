#include "workers/reward/worker.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <optional>

#include "workers/reward/group_scoring.h"
#include "workers/reward/timed_scorer.h"
#include "workers/shutdown.h"

namespace prosodia {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kIdleWait{100};

Status check(const RewardWorkerOptions& options) {
  PROSODIA_TRY(validate(options.reward));
  if (options.reasoning_limit.count() <= 0) return fail(ErrorCode::kUsage, "reward_timeout_s: expected a number > 0");
  if (options.reward.weights.reasoning > 0 && !options.scorer) {
    return fail(ErrorCode::kUsage,
                "reasoning_weight is {} but there is no reasoning scorer: name one with "
                "--reasoning_scorer, or set --reasoning_weight 0",
                options.reward.weights.reasoning);
  }
  return {};
}

class RewardWorker {
 public:
  RewardWorker(const RewardWorkerOptions& options, protocol::WorkerClient& client)
      : options_(options), client_(client) {
    if (options.scorer) scorer_.emplace(options.scorer, TimedScorerOptions{.limit = options.reasoning_limit});
  }

  Status run() {
    while (!options_.stop_requested()) {
      PROSODIA_ASSIGN(const auto task, client_.next_task(kIdleWait));
      if (!task) continue;
      if (const auto* shutdown = std::get_if<protocol::Shutdown>(&task->body)) return shutdown_status(*shutdown);
      if (const auto* reward = std::get_if<protocol::TaskReward>(&task->body)) {
        PROSODIA_TRY(score(task->lease, *reward));
      } else {
        spdlog::warn("lease {}: not a reward task; ignored", task->lease);
      }
    }
    return fail(ErrorCode::kInterrupted, "asked to stop");
  }

 private:
  Status score(LeaseId lease, const protocol::TaskReward& task) {
    const auto begin = Clock::now();
    const TraceSpan span(options_.trace, "score", task.step.value + 1);
    uint64_t progress = 0;
    bool given_up = false;
    const auto waiting = [&] {
      client_.report_progress(lease, ++progress);
      const auto cancelled = client_.take_cancelled();
      given_up = given_up || options_.stop_requested() || std::ranges::find(cancelled, lease) != cancelled.end();
      return !given_up;
    };
    auto result = score_group(task, options_.reward, [&](const auto& row, const auto& responses) {
      return scorer_->score(row, responses, waiting);
    });
    if (!result) {
      spdlog::warn("group {} (lease {}, step {}): {}", task.group_id, lease, task.step, result.error().message);
      return client_.send_failure(lease, task.group_id, result.error().code, result.error().message);
    }
    if (given_up) return {};  // by us, not by the scorer: no timeout to report. The lease expires, or is cancelled
    result->seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    log_missing(lease, task, *result);
    PROSODIA_TRY(client_.send_result(lease, *result));
    if (!options_.end_when_stuck || !scorer_ || !scorer_->is_stuck()) return {};
    (void)client_.flush(std::chrono::seconds(5));
    return fail(ErrorCode::kUnavailable,
                "the reasoning scorer hangs: it neither answered nor stopped within twice {} ms (--reward_timeout_s). "
                "This process ends, to be started again with a new one",
                options_.reasoning_limit.count());
  }

  static void log_missing(LeaseId lease, const protocol::TaskReward& task, const protocol::RewardResult& result) {
    size_t missing = 0;
    const protocol::ResponseScore* first = nullptr;
    for (const auto& response : result.responses) {
      if (response.present) continue;
      ++missing;
      if (!first) first = &response;
    }
    if (!missing) return;
    spdlog::warn("group {} (lease {}, step {}, try {}): {} of {} responses without a reasoning score; first: {}: {}",
                 task.group_id, lease, task.step, task.attempt, missing, result.responses.size(),
                 protocol::name(first->reasoning_status), first->detail);
  }

  const RewardWorkerOptions& options_;
  protocol::WorkerClient& client_;
  std::optional<TimedScorer> scorer_;
};

}  // namespace

Status run_reward_worker(const RewardWorkerOptions& options, protocol::WorkerClient& client) {
  PROSODIA_TRY(check(options));
  return RewardWorker(options, client).run();
}

}  // namespace prosodia
