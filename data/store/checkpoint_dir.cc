#include "data/store/checkpoint_dir.h"

#include <algorithm>

#include "data/base/check.h"
#include "data/base/crc32c.h"
#include "data/base/json.h"
#include "data/base/number.h"
#include "data/store/atomic_file.h"

namespace prosodia {
namespace {

using Path = std::filesystem::path;
using nlohmann::json;

constexpr const char* kManifest = "MANIFEST.json";
constexpr std::string_view kFormat = "prosodia-checkpoint-1";
constexpr std::string_view kPrefix = "step-";
// A working folder, a folder whose successor is being put in its place, a folder that is being removed.
constexpr std::string_view kUnfinished = ".tmp", kReplaced = ".old", kDoomed = ".gone";

std::string folder_name(uint64_t step) { return fmt::format("{}{:06}", kPrefix, step); }

std::optional<uint64_t> step_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  const auto step = parse_integer<uint64_t>(name.substr(kPrefix.size()));
  return step && name == folder_name(*step) ? step : std::nullopt;
}

// Files below `dir`, as "a" or "sub/a", sorted; folders go to `folders`.
Status list_tree(FileSystem& fs, const Path& dir, const std::string& prefix, std::vector<std::string>& files,
                 std::vector<Path>& folders) {
  folders.push_back(dir);
  PROSODIA_ASSIGN(const auto entries, fs.list_dir(dir));
  for (const DirEntry& entry : entries) {
    if (entry.is_directory)
      PROSODIA_TRY(list_tree(fs, dir / entry.name, prefix + entry.name + "/", files, folders));
    else
      files.push_back(prefix + entry.name);
  }
  return {};
}

// The manifest's own CRC covers its text without the field that holds it.
std::string encode_manifest(json manifest) {
  manifest.erase("crc32c");
  const std::string body = manifest.dump();
  manifest["crc32c"] = crc32c(as_byte_span(body));
  return manifest.dump() + "\n";
}

tl::unexpected<Error> damaged(const Path& path, std::string_view what) {
  return fail(ErrorCode::kCorruption, "{}: {}: the checkpoint is damaged; use an earlier one", path.string(), what);
}

Result<json> read_manifest(FileSystem& fs, const Path& checkpoint) {
  const Path path = checkpoint / kManifest;
  PROSODIA_ASSIGN(const bool there, fs.exists(path));
  if (!there) return damaged(path, "is missing");
  PROSODIA_ASSIGN(const std::string text, fs.read_text(path));
  const auto manifest = parse_json_object(text, path.string());
  if (!manifest || encode_manifest(*manifest) != text) return damaged(path, "fails its checksum");
  if (!manifest->contains("format") || (*manifest)["format"] != kFormat)
    return fail(ErrorCode::kInvalidInput, "{}: expected format \"{}\": written by another version of prosodia?",
                path.string(), kFormat);
  return *manifest;
}

// One entry of "files". The checksum only shows that the manifest is as it was written, not by whom.
struct ManifestFile {
  std::string name;  // "a" or "sub/a", inside the checkpoint
  uint64_t bytes = 0;
  uint32_t crc = 0;
};

std::optional<ManifestFile> parse_file(const json& entry) {
  const auto number = [&](const char* key) {
    return entry.is_object() && entry.contains(key) && entry[key].is_number_unsigned();
  };
  if (!number("bytes") || !number("crc32c") || !entry.contains("name") || !entry["name"].is_string())
    return std::nullopt;
  ManifestFile file{entry["name"], entry["bytes"], static_cast<uint32_t>(entry["crc32c"].get<uint64_t>())};
  const Path path(file.name);
  const bool inside = !file.name.empty() && path.is_relative() && std::ranges::find(path, Path("..")) == path.end();
  return inside && entry["crc32c"] <= UINT32_MAX ? std::optional(file) : std::nullopt;
}

}  // namespace

Path CheckpointStore::path_of(uint64_t step) const { return root_ / folder_name(step); }

// The step that `name` is about when it is a step's folder with this suffix.
std::optional<uint64_t> step_with(const std::string& name, std::string_view suffix) {
  if (!std::string_view(name).ends_with(suffix)) return std::nullopt;
  return step_of(std::string_view(name).substr(0, name.size() - suffix.size()));
}

Result<std::unique_ptr<FileLock>> CheckpointStore::lock() {
  PROSODIA_TRY(fs_->create_dirs(root_));
  PROSODIA_ASSIGN(auto held, fs_->lock_file(root_ / "LOCK"));
  PROSODIA_TRY(restore_replaced());
  return held;
}

// A crash between the two renames of commit(): the new folder is not there, so the old one is the checkpoint.
Status CheckpointStore::restore_replaced() {
  PROSODIA_ASSIGN(const bool any, fs_->exists(root_));
  if (!any) return {};
  PROSODIA_ASSIGN(const auto entries, fs_->list_dir(root_));
  for (const DirEntry& entry : entries) {
    const auto step = step_with(entry.name, kReplaced);
    if (!step || !entry.is_directory) continue;
    PROSODIA_ASSIGN(const bool replaced, fs_->exists(path_of(*step)));
    if (replaced) continue;
    PROSODIA_TRY(fs_->rename(root_ / entry.name, path_of(*step)));
    PROSODIA_TRY(fs_->sync_dir(root_));
  }
  return {};
}

Status CheckpointStore::remove_leftovers() {
  PROSODIA_TRY(restore_replaced());
  PROSODIA_TRY(fs_->sync_dir(root_));  // a successor that is there stays there once the old one is removed
  PROSODIA_ASSIGN(const auto entries, fs_->list_dir(root_));
  for (const DirEntry& entry : entries) {
    for (const std::string_view suffix : {kUnfinished, kReplaced, kDoomed})
      if (entry.is_directory && step_with(entry.name, suffix)) PROSODIA_TRY(fs_->remove_all(root_ / entry.name));
  }
  return {};
}

Result<Path> CheckpointStore::begin(uint64_t step) {
  PROSODIA_TRY(fs_->create_dirs(root_));
  PROSODIA_TRY(remove_leftovers());
  const Path working = path_of(step).string() + std::string(kUnfinished);
  PROSODIA_TRY(fs_->create_dirs(working));
  return working;
}

Result<CheckpointInfo> CheckpointStore::commit(uint64_t step, const json& manifest_extra) {
  const Path target = path_of(step), working = target.string() + std::string(kUnfinished);
  std::vector<std::string> names;
  std::vector<Path> folders;
  PROSODIA_TRY(list_tree(*fs_, working, "", names, folders));
  CheckpointInfo info{.path = target, .step = step, .extra = manifest_extra};
  json files = json::array();
  for (const std::string& name : names) {
    PROSODIA_CHECK(name != kManifest, "the manifest is written by commit()");
    PROSODIA_TRY(fs_->sync_file(working / name));
    PROSODIA_ASSIGN(const uint64_t bytes, fs_->file_size(working / name));
    PROSODIA_ASSIGN(const uint32_t crc, file_crc32c(*fs_, working / name));
    files.push_back({{"name", name}, {"bytes", bytes}, {"crc32c", crc}});
    info.total_bytes += bytes;
  }
  for (const Path& folder : folders) PROSODIA_TRY(fs_->sync_dir(folder));
  const json manifest = {{"format", kFormat}, {"step", step}, {"files", std::move(files)}, {"extra", manifest_extra}};
  PROSODIA_TRY(write_file_atomic(*fs_, working / kManifest, encode_manifest(manifest)));

  const Path replaced = target.string() + std::string(kReplaced);
  PROSODIA_ASSIGN(const bool again, fs_->exists(target));
  if (again) PROSODIA_TRY(fs_->rename(target, replaced));
  PROSODIA_TRY(fs_->rename(working, target));
  PROSODIA_TRY(fs_->sync_dir(root_));
  if (again) PROSODIA_TRY(fs_->remove_all(replaced));
  return info;
}

Result<CheckpointInfo> CheckpointStore::verify(const Path& checkpoint) const {
  PROSODIA_ASSIGN(const json manifest, read_manifest(*fs_, checkpoint));
  const Path manifest_path = checkpoint / kManifest;
  CheckpointInfo info{.path = checkpoint};
  const auto has = [&](const char* key) { return manifest.contains(key); };
  if (!has("step") || !manifest["step"].is_number_unsigned() || !has("files") || !manifest["files"].is_array() ||
      !has("extra")) {
    return damaged(manifest_path, "lacks step, files or extra");
  }
  info.step = manifest["step"].get<uint64_t>();
  info.extra = manifest["extra"];
  if (step_of(checkpoint.filename().string()) != info.step)
    return damaged(manifest_path, fmt::format("is for step {}: the folder was renamed", info.step));
  for (const json& entry : manifest["files"]) {
    const auto file = parse_file(entry);
    if (!file) return damaged(manifest_path, fmt::format("has a malformed entry {}", brief(entry)));
    const Path path = checkpoint / file->name;
    PROSODIA_ASSIGN(const bool there, fs_->exists(path));
    if (!there) return damaged(path, "is missing");
    PROSODIA_ASSIGN(const uint64_t size, fs_->file_size(path));
    if (size != file->bytes) return damaged(path, fmt::format("has {} bytes, the manifest says {}", size, file->bytes));
    PROSODIA_ASSIGN(const uint32_t crc, file_crc32c(*fs_, path));
    if (crc != file->crc) return damaged(path, "fails its checksum");
    info.total_bytes += size;
  }
  return info;
}

std::vector<uint64_t> CheckpointStore::steps() const {
  std::vector<uint64_t> steps;
  const auto entries = fs_->list_dir(root_);
  if (!entries) return steps;
  for (const DirEntry& entry : *entries)
    if (const auto step = step_of(entry.name); step && entry.is_directory) steps.push_back(*step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

Result<std::optional<CheckpointInfo>> CheckpointStore::latest(std::vector<std::string>* skipped) {
  PROSODIA_TRY(restore_replaced());
  std::vector<std::string> problems;
  auto candidates = steps();
  for (auto it = candidates.rbegin(); it != candidates.rend(); ++it) {
    auto info = verify(path_of(*it));
    if (info) {
      if (skipped != nullptr) *skipped = std::move(problems);
      return std::optional(std::move(*info));
    }
    if (info.error().code != ErrorCode::kCorruption) return tl::unexpected(std::move(info).error());
    problems.push_back(info.error().message);
  }
  if (skipped != nullptr) *skipped = problems;
  if (problems.empty()) return std::optional<CheckpointInfo>();
  return fail(ErrorCode::kCorruption,
              "{}: no checkpoint is intact. Move the folder away to start from the beginning. {}", root_.string(),
              fmt::join(problems, "; "));
}

Status CheckpointStore::gc(size_t keep, uint64_t committed, std::optional<uint64_t> besides) {
  PROSODIA_CHECK(keep >= 1, "keep {}", keep);
  PROSODIA_TRY(remove_leftovers());
  auto old = steps();
  // A folder without a readable manifest does not count as kept, so damage never costs the last good one.
  size_t kept = 0;
  for (auto it = old.rbegin(); it != old.rend(); ++it) {
    if (kept < keep) {
      if (read_manifest(*fs_, path_of(*it))) ++kept;
      continue;
    }
    if (*it == committed || besides == *it) continue;
    const Path doomed = path_of(*it).string() + std::string(kDoomed);
    PROSODIA_TRY(fs_->rename(path_of(*it), doomed));  // first, so that a half-removed one is never taken for one
    PROSODIA_TRY(fs_->remove_all(doomed));
  }
  return fs_->sync_dir(root_);
}

}  // namespace prosodia
