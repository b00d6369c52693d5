#include "orchestrator/coordinator/crash_plan.h"

#include <spdlog/spdlog.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include "data/store/journal_format.h"
#include "orchestrator/coordinator/journal_records.h"

namespace prosodia {
namespace {

constexpr uint16_t kAnyType = 0;
enum class Point { kBeforeWrite, kTornWrite, kBeforeSync, kAfterSync };
constexpr std::array<std::pair<std::string_view, Point>, 4> kPoints = {{{"before_write", Point::kBeforeWrite},
                                                                        {"torn_write", Point::kTornWrite},
                                                                        {"before_sync", Point::kBeforeSync},
                                                                        {"after_sync", Point::kAfterSync}}};

struct Crash {
  uint16_t type = kAnyType;
  Point point = Point::kBeforeWrite;
  int number = 1;
};

Result<Crash> parse_crash(const std::string& line, const std::string& file) {
  std::istringstream words(line);
  std::string record, point;
  Crash crash;
  words >> record >> point;
  if (!(words >> crash.number)) crash.number = 1;
  const auto type = record == "any" ? std::optional(kAnyType) : record_type(record);
  const auto known = std::find_if(kPoints.begin(), kPoints.end(), [&](const auto& p) { return p.first == point; });
  if (!type || known == kPoints.end() || crash.number < 1)
    return fail(ErrorCode::kUsage, "PROSODIA_CRASH_PLAN {}: '{}' is not RECORD POINT [N]", file, line);
  crash.type = *type;
  crash.point = known->second;
  return crash;
}

class CrashPlan {
 public:
  CrashPlan(std::string file, Crash crash, std::string rest)
      : file_(std::move(file)), crash_(crash), rest_(std::move(rest)) {}

  // What is about to be appended to a segment; returns how many of its bytes to write before dying, or all.
  std::optional<size_t> on_append(std::span<const std::byte> bytes) {
    if (armed_ || !reached(bytes)) return std::nullopt;
    if (crash_.point == Point::kBeforeWrite) die();
    if (crash_.point == Point::kTornWrite) return bytes.size() / 2;
    armed_ = true;
    return std::nullopt;
  }
  void before_sync() const {
    if (armed_ && crash_.point == Point::kBeforeSync) die();
  }
  void after_sync() const {
    if (armed_ && crash_.point == Point::kAfterSync) die();
  }
  [[noreturn]] void die() const {
    std::ofstream(file_ + ".new") << rest_;
    std::rename((file_ + ".new").c_str(), file_.c_str());
    spdlog::warn("PROSODIA_CRASH_PLAN: killing this process as planned");
    spdlog::default_logger()->flush();
    std::raise(SIGKILL);
    std::abort();
  }

 private:
  bool reached(std::span<const std::byte> bytes) {
    while (const auto header = journal_format::decode_record(bytes)) {
      const bool wanted =
          crash_.type == kAnyType ? header->type != journal_format::kDurableMark : header->type == crash_.type;
      if (wanted && ++seen_ == crash_.number) return true;
      bytes = bytes.subspan(journal_format::kRecordHeaderBytes + header->length);
    }
    return false;
  }

  std::string file_;
  Crash crash_;
  std::string rest_;  // of the plan, for the lives after this one
  int seen_ = 0;
  bool armed_ = false;
};

class CrashingFile final : public WritableFile {
 public:
  CrashingFile(std::unique_ptr<WritableFile> inner, CrashPlan& plan) : inner_(std::move(inner)), plan_(plan) {}
  Status append(std::span<const std::byte> bytes) override {
    if (const auto part = plan_.on_append(bytes)) {
      (void)inner_->append(bytes.first(*part));
      plan_.die();
    }
    return inner_->append(bytes);
  }
  Status sync() override {
    plan_.before_sync();
    const Status status = inner_->sync();
    plan_.after_sync();
    return status;
  }
  Status close() override { return inner_->close(); }
  uint64_t size() const override { return inner_->size(); }

 private:
  std::unique_ptr<WritableFile> inner_;
  CrashPlan& plan_;
};

class CrashingFileSystem final : public FileSystem {
 public:
  CrashingFileSystem(FileSystem& inner, CrashPlan plan) : inner_(inner), plan_(std::move(plan)) {}

  Result<std::unique_ptr<WritableFile>> open_append(const Path& path, OpenMode mode) override {
    PROSODIA_ASSIGN(auto file, inner_.open_append(path, mode));
    if (!journal_format::first_lsn_of(path.filename().string())) return file;
    return std::make_unique<CrashingFile>(std::move(file), plan_);
  }
  Result<std::unique_ptr<ReadableFile>> open_read(const Path& path) override { return inner_.open_read(path); }
  Result<bool> exists(const Path& path) override { return inner_.exists(path); }
  Result<uint64_t> file_size(const Path& path) override { return inner_.file_size(path); }
  Result<std::vector<DirEntry>> list_dir(const Path& path) override { return inner_.list_dir(path); }
  Status create_dirs(const Path& path) override { return inner_.create_dirs(path); }
  Status rename(const Path& from, const Path& to) override { return inner_.rename(from, to); }
  Status remove(const Path& path) override { return inner_.remove(path); }
  Status remove_all(const Path& path) override { return inner_.remove_all(path); }
  Status sync_dir(const Path& path) override { return inner_.sync_dir(path); }
  Status sync_file(const Path& path) override { return inner_.sync_file(path); }
  Status truncate(const Path& path, uint64_t size) override { return inner_.truncate(path, size); }
  Result<std::unique_ptr<FileLock>> lock_file(const Path& path) override { return inner_.lock_file(path); }

 private:
  FileSystem& inner_;
  CrashPlan plan_;
};

}  // namespace

Result<std::unique_ptr<FileSystem>> crash_plan_from_environment(FileSystem& inner) {
  const char* file = std::getenv("PROSODIA_CRASH_PLAN");
  if (file == nullptr || *file == '\0') return std::unique_ptr<FileSystem>();
  PROSODIA_ASSIGN(const std::string text, inner.read_text(file));
  const size_t end = text.find('\n');
  if (text.empty() || end == std::string::npos) return std::unique_ptr<FileSystem>();
  PROSODIA_ASSIGN(const Crash crash, parse_crash(text.substr(0, end), file));
  return std::make_unique<CrashingFileSystem>(inner, CrashPlan(file, crash, text.substr(end + 1)));
}

}  // namespace prosodia
