#include "data/trace/trace_writer.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>

#include "data/base/clock.h"
#include "data/base/crc32c.h"

namespace prosodia {
namespace {

constexpr size_t kFlushBytes = 32 << 10;
constexpr std::chrono::seconds kFlushEvery{1};

std::string file_name(std::string_view process) {
  std::string name;
  for (const char c : process)
    name += std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.' ? c : '_';
  return name + ".json";
}

// Cuts a file that a killed process or a power failure left in the middle of a line back to its last whole one.
Status cut_torn_line(FileSystem& fs, const std::filesystem::path& path) {
  PROSODIA_ASSIGN(const bool exists, fs.exists(path));
  if (!exists) return {};
  PROSODIA_ASSIGN(const std::string text, fs.read_text(path));
  const size_t whole = text.starts_with("[\n") ? text.rfind('\n') + 1 : 0;
  return whole == text.size() ? Status() : fs.truncate(path, whole);
}

}  // namespace

TraceWriter::TraceWriter(FileSystem& fs, std::filesystem::path path, std::string_view process, uint64_t max_bytes)
    : fs_(fs),
      path_(std::move(path)),
      process_(process),
      process_id_(crc32c(as_byte_span(process)) % 1'000'000'000),
      max_bytes_(max_bytes),
      anchor_(Clock::now()),
      flushed_(anchor_),
      anchor_us_(static_cast<int64_t>(unix_seconds() * 1e6)) {}

Result<std::unique_ptr<TraceWriter>> TraceWriter::open(FileSystem& fs, const std::filesystem::path& run_dir,
                                                       std::string_view process, uint64_t max_bytes) {
  PROSODIA_ASSIGN(const bool exists, fs.exists(run_dir));
  if (!exists) return fail(ErrorCode::kInvalidInput, "{}: no such folder; no trace is written", run_dir.string());
  const auto dir = run_dir / "trace";
  PROSODIA_TRY(fs.create_dirs(dir));
  std::unique_ptr<TraceWriter> writer(new TraceWriter(fs, dir / file_name(process), process, max_bytes));
  PROSODIA_TRY(cut_torn_line(fs, writer->path_));
  PROSODIA_TRY(writer->begin_file());
  PROSODIA_TRY(writer->write());
  return writer;
}

TraceWriter::~TraceWriter() { flush(); }

// Opens the file, at its end, and says who writes.
Status TraceWriter::begin_file() {
  PROSODIA_ASSIGN(file_, fs_.open_append(path_, OpenMode::kAppend));
  if (file_->size() == 0) buffer_ += "[\n";
  named_lanes_.clear();
  const nlohmann::json name = process_;  // quoted as JSON wants it
  buffer_ += fmt::format("{{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":{},\"args\":{{\"name\":{}}}}},\n",
                         process_id_, name.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  return {};
}

int64_t TraceWriter::wall_us(Clock::time_point at) const {
  return anchor_us_ + std::chrono::duration_cast<std::chrono::microseconds>(at - anchor_).count();
}

void TraceWriter::add(std::string_view name, Clock::time_point begin, Clock::time_point end,
                      std::initializer_list<TraceArg> args, int lane) {
  if (file_ == nullptr) return;
  const auto index = static_cast<size_t>(std::max(lane, 0));
  if (index >= named_lanes_.size()) named_lanes_.resize(index + 1);
  if (!named_lanes_[index]) {
    named_lanes_[index] = true;
    fmt::format_to(std::back_inserter(buffer_),
                   "{{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":{},\"tid\":{},\"args\":{{\"name\":\"{}\"}}}},\n",
                   process_id_, index, index == 0 ? "loop" : fmt::format("lane {}", index));
  }
  const int64_t from = wall_us(begin), to = std::max(wall_us(end), from);
  fmt::format_to(std::back_inserter(buffer_),
                 "{{\"name\":\"{}\",\"ph\":\"X\",\"pid\":{},\"tid\":{},\"ts\":{},\"dur\":{},\"args\":{{", name,
                 process_id_, index, from, to - from);
  for (const TraceArg& arg : args)
    fmt::format_to(std::back_inserter(buffer_), "{}\"{}\":{}", &arg == args.begin() ? "" : ",", arg.name, arg.value);
  buffer_ += "}},\n";
  if (buffer_.size() >= kFlushBytes || Clock::now() - flushed_ >= kFlushEvery) flush();
}

void TraceWriter::flush() {
  if (file_ == nullptr || buffer_.empty()) return;
  flushed_ = Clock::now();
  if (const Status status = write(); !status) {
    spdlog::warn("no further phases are traced: {}", status.error().message);
    file_.reset();
  }
}

Status TraceWriter::write() {
  if (file_->size() + buffer_.size() > max_bytes_ && file_->size() > 0) {
    PROSODIA_TRY(file_->close());
    auto older = path_;
    PROSODIA_TRY(fs_.rename(path_, older.replace_extension(".1.json")));
    std::string events = std::move(buffer_);
    buffer_.clear();
    PROSODIA_TRY(begin_file());
    buffer_ += events;
  }
  PROSODIA_TRY(file_->append(as_byte_span(buffer_)));
  buffer_.clear();
  return {};
}

}  // namespace prosodia
