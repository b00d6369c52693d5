// What goes wrong in a FaultyFileSystem: calls that fail, a disk that fills up, power that is lost.
#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "data/store/testing/faulty_file_system.h"

namespace prosodia {

uint64_t FaultyFileSystem::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

void FaultyFileSystem::fail_call(uint64_t number, int error_number) {
  const std::lock_guard lock(mutex_);
  fail_at_ = number;
  fail_later_too_ = false;
  error_number_ = error_number;
}

void FaultyFileSystem::fail_calls_from(uint64_t number, int error_number) {
  fail_call(number, error_number);
  fail_later_too_ = true;
}

void FaultyFileSystem::fail_sync(uint64_t number, int error_number) {
  const std::lock_guard lock(mutex_);
  syncs_until_failure_ = number;
  error_number_ = error_number;
}

void FaultyFileSystem::set_capacity(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  capacity_ = bytes;
}

uint64_t FaultyFileSystem::used_bytes() const {
  const std::lock_guard lock(mutex_);
  uint64_t used = 0;
  for (const auto& [name, node] : live_) used += node->data.size();
  return used;
}

size_t FaultyFileSystem::room_for(size_t bytes) const {
  if (capacity_ == UINT64_MAX) return bytes;
  uint64_t used = 0;
  for (const auto& [name, node] : live_) used += node->data.size();
  return used >= capacity_ ? 0 : static_cast<size_t>(std::min<uint64_t>(bytes, capacity_ - used));
}

void FaultyFileSystem::clear_faults() {
  const std::lock_guard lock(mutex_);
  fail_at_ = syncs_until_failure_ = 0;
  fail_later_too_ = false;
  capacity_ = UINT64_MAX;
}

Status FaultyFileSystem::sync(Node& node, const Path& path, const char* action) {
  const bool fails = syncs_until_failure_ > 0 && --syncs_until_failure_ == 0;
  if (fails && node.synced_bytes < node.data.size()) node.lost.emplace_back(node.synced_bytes, node.data.size());
  node.synced_bytes = node.data.size();
  if (fails) return storage_error(path, action, error_number_);
  return {};
}

Status FaultyFileSystem::enter(const Path& path, const char* action) {
  ++calls_;
  const bool fails = fail_at_ != 0 && (calls_ == fail_at_ || (fail_later_too_ && calls_ > fail_at_));
  if (fails) return storage_error(path, action, error_number_);
  return {};
}

void FaultyFileSystem::tear(Node& node) {
  const size_t unsynced = node.data.size() - std::min(node.synced_bytes, node.data.size());
  if (unsynced == 0) return;
  const uint32_t kind = random_.next_below(3);
  const size_t kept = node.synced_bytes + random_.next_below(static_cast<uint32_t>(unsynced) + 1);
  if (kind == 0) {
    node.data.resize(kept);  // a prefix
  } else if (kind == 1) {
    std::fill(node.data.begin() + static_cast<std::ptrdiff_t>(kept), node.data.end(), std::byte{0});
  } else {  // a hole: blocks reach the disk out of order
    const size_t hole = std::min<size_t>(node.data.size() - kept, random_.next_below(64));
    for (size_t i = 0; i < hole; ++i) node.data[kept + i] = std::byte(random_.next_below(256));
  }
}

void FaultyFileSystem::crash(Crash kind) {
  const std::lock_guard lock(mutex_);
  ++generation_;
  locks_.clear();
  fail_at_ = syncs_until_failure_ = 0;
  fail_later_too_ = false;
  if (kind == Crash::kProcess) return;
  if (kind == Crash::kTearUnsynced) {
    const uint32_t survive = random_.next_below(static_cast<uint32_t>(pending_.size()) + 1);
    for (uint32_t i = 0; i < survive; ++i) apply(durable_, pending_[i]);
  }
  pending_.clear();
  live_ = durable_;
  std::set<Node*> seen;
  for (auto it = live_.begin(); it != live_.end();) {  // a name whose folder did not survive is out of reach
    it = it->first.empty() || it->first == "/" || live_.contains(Path(it->first).parent_path().string())
             ? std::next(it)
             : live_.erase(it);
  }
  durable_ = live_;
  for (auto& [path, node] : live_) {
    if (!seen.insert(node.get()).second) continue;
    for (const auto& [begin, end] : node->lost) {  // clean in the page cache, zeros on the disk
      const auto first = static_cast<std::ptrdiff_t>(std::min(begin, node->data.size()));
      const auto last = static_cast<std::ptrdiff_t>(std::min(end, node->data.size()));
      std::fill(node->data.begin() + first, node->data.begin() + last, std::byte{0});
    }
    node->lost.clear();
    if (kind == Crash::kTearUnsynced) tear(*node);
    if (kind == Crash::kDropUnsynced) node->data.resize(std::min(node->synced_bytes, node->data.size()));
    node->synced_bytes = node->data.size();
  }
}

}  // namespace prosodia
