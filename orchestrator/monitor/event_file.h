// Implements TensorBoard's event files without protobuf: TFRecord framing (u64 length, masked CRC-32C of it, data,
// masked CRC-32C of the data) around hand-encoded Event messages (tensorflow/core/util/event.proto,
// framework/summary.proto).
//
// One new file per process start; the second event is a START session log at `first_step`, on which readers discard
// what earlier files say about that step and later ones. Called by the coordinator through MonitorSinks; single thread.
// Every add_… reaches the operating system before it returns; sync() makes it durable. Failures: kStorage.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "orchestrator/monitor/whole_appender.h"

namespace prosodia {

struct EventFileOptions {
  std::string host = "localhost";  // in the file's name
  uint64_t process_id = 0;         // in the file's name
  double wall_time = 0;            // Unix seconds
  uint64_t first_step = 1;         // the first step this process will write
};

class EventFileWriter {
 public:
  // Creates DIR/events.out.tfevents.<seconds>.<host>.<pid>.0; its seconds are later than those of every file already
  // there, because readers take the files in the order of their names.
  static Result<std::unique_ptr<EventFileWriter>> create(FileSystem&, const std::filesystem::path& dir,
                                                         const EventFileOptions&);

  Status add_scalars(uint64_t step, double wall_time, const std::map<std::string, double>& scalars);
  Status add_text(uint64_t step, double wall_time, std::string_view tag, std::string_view markdown);
  // Up to 30 buckets of equal width between the smallest and the largest value. Non-finite values are left out.
  Status add_histogram(uint64_t step, double wall_time, std::string_view tag, std::span<const double> values);
  // Mono samples, full scale ±1, as a 16-bit WAV. None: no event.
  Status add_audio(uint64_t step, double wall_time, std::string_view tag, std::span<const float> samples,
                   uint32_t sample_rate_hz);
  Status sync() { return file_.sync(); }
  const std::filesystem::path& path() const { return file_.path(); }

 private:
  explicit EventFileWriter(WholeAppender file) : file_(std::move(file)) {}
  Status write_event(std::string_view event);
  Status write_summary(uint64_t step, double wall_time, std::string_view summary);
  WholeAppender file_;
};

// Walks the framing of an event file: how far its records are whole and their checksums hold.
struct EventFileScan {
  uint64_t events = 0;
  size_t good_bytes = 0;  // where the first bad record begins; the file's size when there is none
  bool damaged = false;   // the bad record is whole but fails a checksum: not a torn tail
};
EventFileScan scan_event_file(std::span<const std::byte> file);

}  // namespace prosodia
