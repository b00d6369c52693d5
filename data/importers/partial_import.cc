#include "data/importers/partial_import.h"

#include "data/base/bytes.h"

namespace prosodia {
namespace {

constexpr uint16_t kHeaderRecord = 1, kFileRecord = 2;
constexpr std::string_view kFormat = "prosodia-import 1";
constexpr size_t kSyncBytes = 4 << 20;

std::vector<std::byte> encode_header(const Digest& plan) {
  ByteWriter writer;
  writer.put_string(kFormat);
  writer.put_bytes(std::as_bytes(std::span(plan.bytes)));
  return writer.take();
}

Result<DecodedFile> decode_record(std::span<const std::byte> payload, size_t expected_index) {
  ByteReader reader(payload);
  DecodedFile file;
  const auto index = reader.get<uint64_t>();
  file.problem = reader.get_string();
  file.samples = reader.get_array<int16_t>();
  if (!reader.at_end() || index != expected_index || file.problem.empty() == file.samples.empty()) {
    return fail(ErrorCode::kCorruption, "record of file {} expected", expected_index);
  }
  return file;
}

struct Restored {
  std::unique_ptr<Journal> journal;
  size_t files = 0;
  bool has_header = false;
};

Result<Restored> restore_journal(const std::filesystem::path& folder, const Digest& plan,
                                 const PartialImport::Visitor& restore) {
  Restored state;
  const auto header = encode_header(plan);
  const auto visit = [&](const JournalRecord& record) -> Status {
    if (!state.has_header) {
      if (record.type != kHeaderRecord || record.payload != header) return fail(ErrorCode::kStale, "other plan");
      state.has_header = true;
      return {};
    }
    PROSODIA_ASSIGN(DecodedFile file, decode_record(record.payload, state.files));
    ++state.files;
    return restore(std::move(file));
  };
  PROSODIA_ASSIGN(state.journal, Journal::open(posix_file_system(), folder / "journal", visit));
  return state;
}

}  // namespace

Result<std::unique_ptr<PartialImport>> PartialImport::open(const std::filesystem::path& folder, const Digest& plan,
                                                           const Visitor& restore,
                                                           const std::function<Status()>& reset) {
  FileSystem& fs = posix_file_system();
  PROSODIA_TRY(fs.create_dirs(folder));
  std::string note;
  auto state = restore_journal(folder, plan, restore);
  if (!state && (state.error().code == ErrorCode::kStale || state.error().code == ErrorCode::kCorruption)) {
    note = state.error().code == ErrorCode::kStale
               ? fmt::format("{}: decoded for other files or labels; starting again", folder.string())
               : fmt::format("{}; starting again", state.error().message);
    PROSODIA_TRY(fs.remove_all(folder / "journal"));
    PROSODIA_TRY(reset());
    state = restore_journal(folder, plan, restore);
  }
  if (!state) return tl::unexpected(state.error());
  if (!state->has_header) {
    PROSODIA_TRY(state->journal->append(kHeaderRecord, encode_header(plan)));
    PROSODIA_TRY(state->journal->sync());
  }
  return std::unique_ptr<PartialImport>(
      new PartialImport(folder, std::move(state->journal), state->files, std::move(note)));
}

Status PartialImport::add(const DecodedFile& file) {
  ByteWriter writer;
  writer.put(uint64_t{size_});
  writer.put_string(file.problem);
  writer.put_array(std::span<const int16_t>(file.samples));
  PROSODIA_TRY(journal_->append(kFileRecord, writer.view()));
  ++size_;
  unsynced_bytes_ += writer.view().size();
  if (unsynced_bytes_ < kSyncBytes) return {};
  unsynced_bytes_ = 0;
  return journal_->sync();
}

Status PartialImport::remove() {
  journal_.reset();
  FileSystem& fs = posix_file_system();
  PROSODIA_TRY(fs.remove_all(folder_));
  return fs.sync_dir(folder_.has_parent_path() ? folder_.parent_path() : std::filesystem::path("."));
}

}  // namespace prosodia
