// The files of a release: what lies under its root, without the droppings of the systems that it travelled through.
//
// Called by: the importers. Thread rule: pure functions of the file system. Failure rule: a folder or file that cannot
// be read is kInvalidInput and named.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "data/base/status.h"
#include "data/importers/csv.h"
#include "data/importers/importer.h"

namespace prosodia {

// Regular files under `root` at any depth, sorted by path. Names that begin with '.' (macOS' "._x.wav" among them) and
// folders named __MACOSX are not part of a release. Symbolic links are followed, but never in a circle.
Result<std::vector<std::filesystem::path>> list_files(const std::filesystem::path& root);

bool is_audio_name(const std::filesystem::path& path);  // by extension, letter case aside: wav, flac, ogg, mp3, …
bool is_video_name(const std::filesystem::path& path);  // mp4, mkv, avi, …: what has to be unpacked first

// For messages and `extra`: relative to the root where it lies under it, valid UTF-8.
std::string shown_path(const std::filesystem::path& path, const std::filesystem::path& root);

// The whole file as UTF-8 (text.h).
Result<std::string> read_release_text(const std::filesystem::path& path);

// The file as a table; its malformed rows become problems of the plan.
Result<CsvTable> read_release_table(const std::filesystem::path& path, const std::filesystem::path& root,
                                    char separator, ImportPlan& plan);

}  // namespace prosodia
