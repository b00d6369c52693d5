// The phases of one process as a Chrome trace: RUN/trace/<process>.json, for Perfetto, chrome://tracing and
// `prosodia report`. Times are wall time (microseconds since 1970), so that the files of several processes lie on one
// axis; within a process they follow the steady clock.
//
//   file  = "[" LF event*                      the array form whose end may be missing, as the format allows
//   event = one JSON object "," LF
//     {"name":"sample","ph":"X","pid":P,"tid":LANE,"ts":US,"dur":US,"args":{"step":12}}    a phase
//     {"name":"process_name","ph":"M",…}                                                   who P is; P follows from it
//
// "step" counts as in metrics.jsonl: 1 is the first optimizer step.
//
// Called by the loops of all roles. Thread rule: one thread. Failure rule: none reaches the caller: a trace that cannot
// be written costs the picture, never the run; the reason is logged once. A process that is killed loses the phases of
// its last second; the next one of its name cuts off a torn line and goes on in the same file. Nothing is synced.
// Cost: about three microseconds a phase and one write a second; at most two files of max_bytes a process.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "data/store/fs.h"

namespace prosodia {

struct TraceArg {
  std::string_view name;
  uint64_t value = 0;
};

class TraceWriter {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr uint64_t kMaxBytes = 32 << 20;  // about 250,000 phases

  // `run_dir` must be there; its trace/ is made. A full file is renamed to <process>.1.json and a new one begun.
  static Result<std::unique_ptr<TraceWriter>> open(FileSystem& fs, const std::filesystem::path& run_dir,
                                                   std::string_view process, uint64_t max_bytes = kMaxBytes);
  ~TraceWriter();
  TraceWriter(const TraceWriter&) = delete;
  TraceWriter& operator=(const TraceWriter&) = delete;

  // `name`, argument names: plain words, they go into the file as they are. Phases of one lane must nest.
  void add(std::string_view name, Clock::time_point begin, Clock::time_point end,
           std::initializer_list<TraceArg> args = {}, int lane = 0);
  void flush();

 private:
  TraceWriter(FileSystem& fs, std::filesystem::path path, std::string_view process, uint64_t max_bytes);
  Status begin_file();
  Status write();
  int64_t wall_us(Clock::time_point at) const;

  FileSystem& fs_;
  std::filesystem::path path_;
  std::string process_;
  uint32_t process_id_;
  uint64_t max_bytes_;
  std::unique_ptr<WritableFile> file_;  // null after a failure
  std::string buffer_;
  std::vector<bool> named_lanes_;
  Clock::time_point anchor_, flushed_;
  int64_t anchor_us_ = 0;
};

// A phase that ends with its scope; nothing when `writer` is null.
class TraceSpan {
 public:
  TraceSpan(TraceWriter* writer, std::string_view name, uint64_t step)
      : writer_(writer), name_(name), step_(step), begin_(TraceWriter::Clock::now()) {}
  ~TraceSpan() {
    if (writer_ != nullptr) writer_->add(name_, begin_, TraceWriter::Clock::now(), {{"step", step_}});
  }
  TraceSpan(const TraceSpan&) = delete;
  TraceSpan& operator=(const TraceSpan&) = delete;

 private:
  TraceWriter* writer_;
  std::string_view name_;
  uint64_t step_;
  TraceWriter::Clock::time_point begin_;
};

}  // namespace prosodia
