#include "orchestrator/monitor/event_file.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <vector>

#include "data/base/crc32c.h"

namespace prosodia {
namespace {

constexpr std::string_view kNamePrefix = "events.out.tfevents.";

// Protobuf's wire format, as far as it is needed.
class Message {
 public:
  Message& varint(uint32_t field, uint64_t value) {
    key(field, 0);
    raw_varint(value);
    return *this;
  }
  Message& fixed64(uint32_t field, double value) {
    key(field, 1);
    raw(&value, sizeof(value));
    return *this;
  }
  Message& fixed32(uint32_t field, float value) {
    key(field, 5);
    raw(&value, sizeof(value));
    return *this;
  }
  Message& bytes(uint32_t field, std::string_view value) {
    key(field, 2);
    raw_varint(value.size());
    text_ += value;
    return *this;
  }
  Message& doubles(uint32_t field, std::span<const double> values) {
    return bytes(field, {reinterpret_cast<const char*>(values.data()), values.size_bytes()});
  }
  const std::string& text() const { return text_; }

 private:
  void key(uint32_t field, uint32_t wire_type) { raw_varint((field << 3) | wire_type); }
  void raw_varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) text_ += static_cast<char>(value | 0x80);
    text_ += static_cast<char>(value);
  }
  void raw(const void* data, size_t size) { text_.append(static_cast<const char*>(data), size); }
  std::string text_;
};

Message event(uint64_t step, double wall_time) {
  Message message;
  message.fixed64(1, wall_time).varint(2, step);
  return message;
}

std::string text_value(std::string_view tag, std::string_view markdown) {
  const Message plugin = Message().bytes(1, "text");
  const Message metadata = Message().bytes(1, plugin.text());
  const Message dimension = Message().varint(1, 1);
  const Message shape = Message().bytes(2, dimension.text());
  const Message tensor = Message().varint(1, 7 /* DT_STRING */).bytes(2, shape.text()).bytes(8, markdown);
  return Message().bytes(1, tag).bytes(8, tensor.text()).bytes(9, metadata.text()).text();
}

std::string histogram_value(std::string_view tag, std::vector<double> values) {
  std::sort(values.begin(), values.end());
  constexpr size_t kBuckets = 30;
  const double low = values.front(), high = values.back();
  const size_t buckets = low == high ? 1 : kBuckets;
  std::vector<double> limits(buckets), counts(buckets);
  for (size_t i = 0; i < buckets; ++i)
    limits[i] =
        i + 1 == buckets ? high : low + (high - low) * static_cast<double>(i + 1) / static_cast<double>(buckets);
  double sum = 0, squares = 0;
  size_t bucket = 0;
  for (const double value : values) {
    while (value > limits[bucket]) ++bucket;
    counts[bucket] += 1;
    sum += value;
    squares += value * value;
  }
  const Message histogram = Message()
                                .fixed64(1, low)
                                .fixed64(2, high)
                                .fixed64(3, static_cast<double>(values.size()))
                                .fixed64(4, sum)
                                .fixed64(5, squares)
                                .doubles(6, limits)
                                .doubles(7, counts);
  return Message().bytes(1, tag).bytes(5, histogram.text()).text();
}

std::string wav_bytes(std::span<const float> samples, uint32_t rate_hz) {
  std::string out;
  const auto put = [&out](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
  const auto data_bytes = static_cast<uint32_t>(samples.size() * sizeof(int16_t));
  out += "RIFF";
  put(uint32_t{36} + data_bytes);
  out += "WAVEfmt ";
  put(uint32_t{16});
  put(uint16_t{1});  // PCM
  put(uint16_t{1});  // channels
  put(rate_hz);
  put(uint32_t{rate_hz * 2});  // bytes a second
  put(uint16_t{2});            // bytes a frame
  put(uint16_t{16});           // bits a sample
  out += "data";
  put(data_bytes);
  for (const float sample : samples)
    put(static_cast<int16_t>(std::lrint(std::clamp(std::isfinite(sample) ? sample : 0.f, -1.f, 1.f) * 32767.f)));
  return out;
}

uint32_t masked_crc(std::span<const std::byte> bytes) { return std::rotr(crc32c(bytes), 15) + 0xa282ead8u; }
uint32_t masked_crc(std::string_view text) { return masked_crc(as_byte_span(text)); }

// The seconds in the newest existing file's name; 0 when there is none.
Result<uint64_t> newest_seconds(FileSystem& fs, const std::filesystem::path& dir) {
  PROSODIA_ASSIGN(const auto entries, fs.list_dir(dir));
  uint64_t newest = 0;
  for (const DirEntry& entry : entries) {
    if (!entry.name.starts_with(kNamePrefix)) continue;
    uint64_t seconds = 0;
    std::from_chars(entry.name.data() + kNamePrefix.size(), entry.name.data() + entry.name.size(), seconds);
    newest = std::max(newest, seconds);
  }
  return newest;
}

}  // namespace

Result<std::unique_ptr<EventFileWriter>> EventFileWriter::create(FileSystem& fs, const std::filesystem::path& dir,
                                                                 const EventFileOptions& options) {
  PROSODIA_TRY(fs.create_dirs(dir));
  PROSODIA_ASSIGN(const uint64_t newest, newest_seconds(fs, dir));
  const uint64_t seconds = std::max(static_cast<uint64_t>(std::max(0.0, options.wall_time)), newest + 1);
  std::string host = options.host;
  std::replace_if(
      host.begin(), host.end(), [](char c) { return c == '/' || c == '\0'; }, '_');
  const auto path = dir / fmt::format("{}{:010}.{}.{}.0", kNamePrefix, seconds, host, options.process_id);
  PROSODIA_ASSIGN(auto file, WholeAppender::open(fs, path, OpenMode::kTruncate));
  std::unique_ptr<EventFileWriter> writer(new EventFileWriter(std::move(file)));
  PROSODIA_TRY(writer->write_event(Message().fixed64(1, options.wall_time).bytes(3, "brain.Event:2").text()));
  const Message start = Message().varint(1, 1 /* SessionLog.START */);
  PROSODIA_TRY(writer->write_event(event(options.first_step, options.wall_time).bytes(7, start.text()).text()));
  return writer;
}

Status EventFileWriter::write_event(std::string_view event) {
  const uint64_t length = event.size();
  std::string record(reinterpret_cast<const char*>(&length), sizeof(length));
  const auto put_crc = [&](std::string_view bytes) {
    const uint32_t crc = masked_crc(bytes);
    record.append(reinterpret_cast<const char*>(&crc), sizeof(crc));
  };
  put_crc(std::string(record));
  record += event;
  put_crc(event);
  return file_.append(as_byte_span(record));
}

Status EventFileWriter::write_summary(uint64_t step, double wall_time, std::string_view summary) {
  return write_event(event(step, wall_time).bytes(5, summary).text());
}

Status EventFileWriter::add_scalars(uint64_t step, double wall_time, const std::map<std::string, double>& scalars) {
  Message summary;
  for (const auto& [tag, value] : scalars)
    summary.bytes(1, Message().bytes(1, tag).fixed32(2, static_cast<float>(value)).text());
  return write_summary(step, wall_time, summary.text());
}

Status EventFileWriter::add_text(uint64_t step, double wall_time, std::string_view tag, std::string_view markdown) {
  return write_summary(step, wall_time, Message().bytes(1, text_value(tag, markdown)).text());
}

Status EventFileWriter::add_histogram(uint64_t step, double wall_time, std::string_view tag,
                                      std::span<const double> values) {
  std::vector<double> finite;
  std::copy_if(values.begin(), values.end(), std::back_inserter(finite), [](double v) { return std::isfinite(v); });
  if (finite.empty()) return {};
  return write_summary(step, wall_time, Message().bytes(1, histogram_value(tag, std::move(finite))).text());
}

Status EventFileWriter::add_audio(uint64_t step, double wall_time, std::string_view tag, std::span<const float> samples,
                                  uint32_t sample_rate_hz) {
  if (samples.empty()) return {};
  const Message audio = Message()
                            .fixed32(1, static_cast<float>(sample_rate_hz))
                            .varint(2, 1)
                            .varint(3, samples.size())
                            .bytes(4, wav_bytes(samples, sample_rate_hz))
                            .bytes(5, "audio/wav");
  const Message value = Message().bytes(1, tag).bytes(6, audio.text());
  return write_summary(step, wall_time, Message().bytes(1, value.text()).text());
}

EventFileScan scan_event_file(std::span<const std::byte> file) {
  constexpr size_t kHead = 12, kTail = 4;  // length and its checksum; the data's checksum
  EventFileScan scan;
  while (scan.good_bytes < file.size()) {
    const auto rest = file.subspan(scan.good_bytes);
    if (rest.size() < kHead) return scan;
    uint64_t length = 0;
    uint32_t crc = 0;
    std::memcpy(&length, rest.data(), sizeof length);
    std::memcpy(&crc, rest.data() + sizeof length, sizeof crc);
    if (crc != masked_crc(rest.first(sizeof length))) {
      scan.damaged = true;
      return scan;
    }
    if (length > rest.size() - kHead || rest.size() - kHead - length < kTail) return scan;
    std::memcpy(&crc, rest.data() + kHead + length, sizeof crc);
    if (crc != masked_crc(rest.subspan(kHead, length))) {
      scan.damaged = true;
      return scan;
    }
    ++scan.events;
    scan.good_bytes += kHead + length + kTail;
  }
  return scan;
}

}  // namespace prosodia
