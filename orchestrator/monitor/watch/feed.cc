#include "orchestrator/monitor/watch/feed.h"

#include "data/base/clock.h"

namespace prosodia::watch {

Feed::Feed(std::unique_ptr<RunSource> source, std::string where, std::chrono::milliseconds period)
    : source_(std::move(source)), period_(period) {
  model_.where = std::move(where);
  thread_ = std::thread([this] { loop(); });
}

Feed::~Feed() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void Feed::with_model(const std::function<void(const Model&)>& read) {
  const std::lock_guard lock(mutex_);
  read(model_);
}

uint64_t Feed::changes() {
  const std::lock_guard lock(mutex_);
  return changes_;
}

void Feed::pause(bool paused) {
  {
    const std::lock_guard lock(mutex_);
    paused_ = paused;
  }
  wake_.notify_all();
}

void Feed::loop() {
  std::unique_lock lock(mutex_);
  while (!ending_) {
    if (!paused_) {
      lock.unlock();
      const double now = unix_seconds();
      Update update = source_->poll(now);
      lock.lock();
      apply(std::move(update), model_);
      model_.now = now;
      ++changes_;
    }
    wake_.wait_for(lock, period_, [this] { return ending_; });
  }
}

}  // namespace prosodia::watch
