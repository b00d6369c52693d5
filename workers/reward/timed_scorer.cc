#include "workers/reward/timed_scorer.h"

#include <fmt/format.h>

#include <condition_variable>
#include <mutex>
#include <thread>

#include "data/base/check.h"

namespace prosodia {

struct TimedScorer::Job {
  nlohmann::json row;
  std::vector<std::string> responses;
  std::stop_source stop;
  std::vector<ReasoningScore> scores;
  bool done = false;
};

struct TimedScorer::State {
  std::shared_ptr<ReasoningScorer> scorer;
  std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<Job> next, running;  // at most one of each
  bool quit = false, ended = false;
};

namespace {

using Clock = std::chrono::steady_clock;

std::vector<ReasoningScore> all(size_t count, ScoreStatus status, const std::string& detail) {
  return std::vector<ReasoningScore>(count, ReasoningScore{status, {}, detail});
}

std::vector<ReasoningScore> guarded(ReasoningScorer& scorer, const nlohmann::json& row,
                                    const std::vector<std::string>& responses, std::stop_token stop) {
  std::vector<ReasoningScore> scores;
  try {
    scores = scorer.score({row, responses}, std::move(stop));
  } catch (const std::exception& error) {  // a library under the scorer; nothing may leave this thread
    return all(responses.size(), ScoreStatus::kError, fmt::format("{} failed: {}", scorer.scorer_name(), error.what()));
  }
  if (scores.size() != responses.size()) {
    return all(
        responses.size(), ScoreStatus::kError,
        fmt::format("{} returned {} scores for {} responses", scorer.scorer_name(), scores.size(), responses.size()));
  }
  for (ReasoningScore& score : scores) {
    if (score.status == ScoreStatus::kValue) score = checked_score(score.criteria, std::move(score.detail));
  }
  return scores;
}

}  // namespace

void TimedScorer::run(std::shared_ptr<State> state) {
  std::unique_lock lock(state->mutex);
  while (true) {
    state->changed.wait(lock, [&] { return state->quit || state->next; });
    if (state->quit) break;
    const std::shared_ptr<Job> job = state->running = std::move(state->next);
    lock.unlock();
    std::vector<ReasoningScore> scores = guarded(*state->scorer, job->row, job->responses, job->stop.get_token());
    lock.lock();
    job->scores = std::move(scores);
    job->done = true;
    state->running.reset();
    state->changed.notify_all();
  }
  state->ended = true;
  state->changed.notify_all();
}

TimedScorer::TimedScorer(std::shared_ptr<ReasoningScorer> scorer, TimedScorerOptions options)
    : options_(options), state_(std::make_shared<State>()) {
  PROSODIA_CHECK(scorer && options.limit.count() > 0 && options.tick.count() > 0, "a scorer and times > 0");
  state_->scorer = std::move(scorer);
  std::thread(run, state_).detach();  // ends through `quit`, see the destructor
}

TimedScorer::~TimedScorer() {
  std::unique_lock lock(state_->mutex);
  state_->quit = true;
  if (state_->running) state_->running->stop.request_stop();
  state_->changed.notify_all();
  state_->changed.wait_for(lock, options_.grace, [&] { return state_->ended; });
}

std::vector<ReasoningScore> TimedScorer::score(nlohmann::json row, std::vector<std::string> responses,
                                               const std::function<bool()>& waiting) {
  const auto job = std::make_shared<Job>();
  job->row = std::move(row);
  job->responses = std::move(responses);
  const size_t count = job->responses.size();
  const auto deadline = Clock::now() + options_.limit;
  std::unique_lock lock(state_->mutex);
  // Waits in ticks for `ready`, outside the lock when calling back; false at the deadline or when told to give up.
  const auto wait = [&](auto ready) {
    while (!ready()) {
      if (Clock::now() >= deadline) return false;
      state_->changed.wait_until(lock, std::min(deadline, Clock::now() + options_.tick), ready);
      if (ready()) break;
      lock.unlock();
      const bool go_on = waiting();
      lock.lock();
      if (!go_on) return false;
    }
    return true;
  };
  if (!wait([&] { return !state_->running && !state_->next; })) {
    stuck_ = Clock::now() >= deadline;
    return all(count, ScoreStatus::kTimeout, "the scorer is still busy with an earlier group that was given up");
  }
  stuck_ = false;
  state_->next = job;
  state_->changed.notify_all();
  if (!wait([&] { return job->done; })) {
    job->stop.request_stop();
    if (state_->next == job) state_->next.reset();  // never began
    state_->changed.wait_for(lock, options_.grace, [&] { return job->done; });
  }
  if (job->done) return std::move(job->scores);
  return all(count, ScoreStatus::kTimeout, fmt::format("no score within {} ms", options_.limit.count()));
}

}  // namespace prosodia
