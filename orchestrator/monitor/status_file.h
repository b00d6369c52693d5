// Keeps RUN/status.json at the board's newest status, on a thread of its own: `prosodia watch RUN` reads it. Whole or
// not at all (temporary file, rename), never synced: it says nothing that the journal does not know better. A disk that
// refuses it costs the picture, never the run; the first refusal is logged.
//
// Thread rule: one owner. The destructor writes the last status and waits for that.
#pragma once

#include <chrono>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "orchestrator/monitor/status_board.h"

namespace prosodia {

class StatusFile {
 public:
  StatusFile(const StatusBoard& board, std::filesystem::path path,
             std::chrono::milliseconds period = std::chrono::milliseconds(1000));
  ~StatusFile();

 private:
  void loop();
  void write();

  const StatusBoard& board_;
  std::filesystem::path path_;
  std::chrono::milliseconds period_;
  std::shared_ptr<const LiveStatus> written_;
  bool warned_ = false;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ending_ = false;
  std::thread thread_;  // last: it uses the rest
};

}  // namespace prosodia
