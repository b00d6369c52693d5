#include "data/importers/release_tree.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "data/base/json.h"
#include "data/importers/text.h"
#include "data/prosody/levels.h"
#include "data/store/fs.h"
#include "data/text/unicode.h"

namespace prosodia {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 9> kAudio = {".wav", ".flac", ".ogg", ".oga", ".opus",
                                                    ".mp3", ".aiff", ".aif", ".au"};
constexpr std::array<std::string_view, 7> kVideo = {".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4a", ".m4v"};
constexpr int kMaxDepth = 32;  // deeper than any release: a circle of links

bool has_extension(const fs::path& path, std::span<const std::string_view> extensions) {
  const std::string extension = lower_ascii(path.extension().string());
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

bool is_dropping(const std::string& name) { return name.starts_with('.') || name == "__MACOSX"; }

}  // namespace

Result<std::vector<fs::path>> list_files(const fs::path& root) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator it(root, fs::directory_options::follow_directory_symlink, error), end;
  for (; !error && it != end; it.increment(error)) {
    if (is_dropping(it->path().filename().string())) {
      it.disable_recursion_pending();
      continue;
    }
    if (it.depth() >= kMaxDepth) {
      return fail(ErrorCode::kInvalidInput, "{}: nested deeper than {} folders; is there a circle of links?",
                  it->path().string(), kMaxDepth);
    }
    std::error_code ignored;  // a broken link is no regular file
    if (it->is_regular_file(ignored)) files.push_back(it->path());
  }
  if (error) return fail(ErrorCode::kInvalidInput, "{}: cannot be listed: {}", root.string(), error.message());
  std::sort(files.begin(), files.end());
  return files;
}

bool is_audio_name(const fs::path& path) { return has_extension(path, kAudio); }
bool is_video_name(const fs::path& path) { return has_extension(path, kVideo); }

std::string shown_path(const fs::path& path, const fs::path& root) {
  const fs::path relative = path.lexically_relative(root);
  std::string shown;
  append_utf8_lossy((relative.empty() || *relative.begin() == ".." ? path : relative).string(), shown);
  return shown;
}

Result<std::string> read_release_text(const fs::path& path) {
  PROSODIA_ASSIGN(const std::string bytes, posix_file_system().read_text(path));
  return to_utf8(bytes);
}

Result<CsvTable> read_release_table(const fs::path& path, const fs::path& root, char separator, ImportPlan& plan) {
  PROSODIA_ASSIGN(const std::string text, read_release_text(path));
  PROSODIA_ASSIGN(CsvTable table, parse_csv(text, path.string(), separator));
  for (const CsvTable::Row& row : table.malformed) {
    plan.problems.push_back(
        {fmt::format("{}:{}", shown_path(path, root), row.line),
         fmt::format("malformed row: {} fields, the header has {}", row.fields.size(), table.header.size())});
  }
  return table;
}

std::string age_group(int years) {
  constexpr std::array<int, 5> kBelow = {13, 20, 40, 60, 131};
  const auto names = level_names(Attribute::kAge);
  for (size_t i = 0; years >= 0 && i < kBelow.size(); ++i) {
    if (years < kBelow[i]) return std::string(names[i]);
  }
  return {};
}

std::string make_extra(nlohmann::json fields, const fs::path& audio, const fs::path& root) {
  if (!fields.contains("path")) fields["path"] = shown_path(audio, root);
  return dump_line(fields);
}

}  // namespace prosodia
