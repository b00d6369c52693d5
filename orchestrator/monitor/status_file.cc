#include "orchestrator/monitor/status_file.h"

#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "data/base/json.h"

namespace prosodia {

StatusFile::StatusFile(const StatusBoard& board, std::filesystem::path path, std::chrono::milliseconds period)
    : board_(board), path_(std::move(path)), period_(period), thread_([this] { loop(); }) {}

StatusFile::~StatusFile() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  thread_.join();
}

void StatusFile::loop() {
  std::unique_lock lock(mutex_);
  for (bool last = false; !last;) {
    wake_.wait_for(lock, period_, [this] { return ending_; });
    last = ending_;
    lock.unlock();
    write();
    lock.lock();
  }
}

void StatusFile::write() {
  auto status = board_.newest();
  if (status == nullptr || status == written_) return;
  const std::filesystem::path temporary = path_.parent_path() / ("." + path_.filename().string() + ".tmp");
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file << dump_line(to_json(*status)) << "\n";
  file.close();
  std::error_code error;
  if (file) std::filesystem::rename(temporary, path_, error);
  if (!file || error) {
    if (!warned_)
      spdlog::warn("{}: cannot write: {}; `watch` will not see the workers", path_.string(),
                   error ? error.message() : std::strerror(errno));
    warned_ = true;
    std::filesystem::remove(temporary, error);
    return;
  }
  written_ = std::move(status);
}

}  // namespace prosodia
