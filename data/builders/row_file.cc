#include "data/builders/row_file.h"

#include "data/base/bytes.h"
#include "data/base/json.h"

namespace prosodia {

namespace {
constexpr size_t kFlushBytes = 1 << 20;
}

Result<RowFile> RowFile::create(const std::filesystem::path& path) {
  PROSODIA_ASSIGN(AtomicFile file, AtomicFile::create(posix_file_system(), path));
  return RowFile(std::move(file));
}

Status RowFile::put(const nlohmann::ordered_json& row) {
  ++rows_;
  if (!file_) return {};
  pending_ += dump_line(row);
  pending_ += '\n';
  return pending_.size() >= kFlushBytes ? flush() : Status();
}

Status RowFile::flush() {
  PROSODIA_TRY(file_->append(as_byte_span(pending_)));
  pending_.clear();
  return {};
}

Status RowFile::commit() {
  if (!file_) return {};
  PROSODIA_TRY(flush());
  return file_->commit();
}

}  // namespace prosodia
