#include "orchestrator/cli/commands/eval_compare.h"

#include <fmt/core.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "data/store/atomic_file.h"
#include "reward/evaluation_sets_report.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;

using Parts = std::vector<std::string>;

Result<std::vector<Parts>> split(const std::vector<std::string>& paths) {
  std::vector<Parts> all;
  for (const std::string& path : paths) {
    fs::path full = fs::weakly_canonical(fs::absolute(path));
    if (!full.has_filename()) full = full.parent_path();
    Parts parts;
    for (const fs::path& part : full) parts.push_back(part.string());
    if (std::ranges::find(all, parts) != all.end())
      return fail(ErrorCode::kUsage, "--compare: {} is there twice", path);
    all.push_back(std::move(parts));
  }
  return all;
}

bool all_differ(const std::vector<std::string>& names) {
  return std::set<std::string>(names.begin(), names.end()).size() == names.size();
}

// The last parts of each path, as many as tell them apart.
Result<std::vector<std::string>> names_of(const std::vector<std::string>& paths) {
  PROSODIA_ASSIGN(const auto all, split(paths));
  std::vector<std::string> names;
  for (size_t count = 1; names.empty() || !all_differ(names); ++count) {
    names.clear();
    for (const Parts& parts : all)
      names.push_back(fmt::format(
          "{}", fmt::join(parts.end() - static_cast<std::ptrdiff_t>(std::min(count, parts.size())), parts.end(), "/")));
  }
  return names;
}

// One part of each path, the last that tells them all apart: "seed-1" of runs/seed-1/eval/ptr, runs/seed-2/eval/ptr.
// Else their numbers.
Result<std::vector<std::string>> repetitions_of(const std::vector<std::string>& paths) {
  PROSODIA_ASSIGN(const auto all, split(paths));
  std::vector<std::string> names;
  for (size_t from_end = 1; from_end <= all[0].size(); ++from_end) {
    names.clear();
    for (const Parts& parts : all)
      if (from_end <= parts.size()) names.push_back(parts[parts.size() - from_end]);
    if (names.size() == all.size() && all_differ(names)) return names;
  }
  names.clear();
  for (size_t i = 0; i < all.size(); ++i) names.push_back(std::to_string(i + 1));
  return names;
}

std::vector<EvalSetRecords>& decoding_of(EvalRecordsByDecoding& records, const std::string& decoding) {
  for (auto& [name, sets] : records)
    if (name == decoding) return sets;
  return records.emplace_back(decoding, std::vector<EvalSetRecords>{}).second;
}

// Repetitions of one run: the sets of each under its own name.
Result<EvalFolder> read_repetitions(const std::string& run, const std::vector<std::string>& paths) {
  PROSODIA_ASSIGN(const auto repetitions, repetitions_of(paths));
  EvalFolder folder{.name = run, .records = {}};
  std::map<std::string, size_t> times;
  for (size_t i = 0; i < paths.size(); ++i) {
    PROSODIA_ASSIGN(EvalRecordsByDecoding records, read_eval_records(paths[i]));
    for (auto& [decoding, sets] : records) {
      ++times[decoding];
      for (EvalSetRecords& set : sets) {
        set.name = sets.size() == 1 ? repetitions[i] : repetitions[i] + "/" + set.name;
        decoding_of(folder.records, decoding).push_back(std::move(set));
      }
    }
  }
  for (const auto& [decoding, count] : times)
    if (count < paths.size())
      return fail(ErrorCode::kInvalidInput, "--compare: only {} of the {} evals of {} have the decoding '{}'", count,
                  paths.size(), run, decoding);
  return folder;
}

const std::vector<EvalSetRecords>* find_decoding(const EvalFolder& folder, const std::string& decoding) {
  for (const auto& [name, sets] : folder.records)
    if (name == decoding) return &sets;
  return nullptr;
}

}  // namespace

EvalOptions eval_options(const Options& options) {
  return {.bootstrap_samples = static_cast<int>(options.integer("bootstrap_samples")),
          .seed = static_cast<uint64_t>(options.integer("seed"))};
}

Result<EvalFolder> read_eval_folder(const std::string& path) {
  PROSODIA_ASSIGN(auto names, names_of({path}));
  PROSODIA_ASSIGN(EvalRecordsByDecoding records, read_eval_records(path));
  return EvalFolder{std::move(names[0]), std::move(records)};
}

Result<std::vector<EvalFolder>> read_eval_folders(const std::vector<std::string>& items) {
  std::vector<std::string> unnamed;
  std::vector<std::pair<std::string, std::vector<std::string>>> named;  // in the order of their first folders
  for (const std::string& item : items) {
    const size_t equals = item.find('=');
    if (equals == std::string::npos) {
      unnamed.push_back(item);
      continue;
    }
    const std::string name = item.substr(0, equals), path = item.substr(equals + 1);
    if (name.empty() || path.empty())
      return fail(ErrorCode::kUsage, "--compare {}: expected FOLDER or NAME=FOLDER", item);
    auto found = std::ranges::find(named, name, [](const auto& each) { return each.first; });
    if (found == named.end()) found = named.insert(named.end(), {name, {}});
    found->second.push_back(path);
  }
  if (!unnamed.empty() && !named.empty())
    return fail(ErrorCode::kUsage, "--compare: {} has no name; give each folder one (NAME=FOLDER) or none", unnamed[0]);
  std::vector<EvalFolder> folders;
  if (!unnamed.empty()) {
    PROSODIA_ASSIGN(const auto names, names_of(unnamed));
    for (size_t i = 0; i < unnamed.size(); ++i) named.push_back({names[i], {unnamed[i]}});
  }
  for (const auto& [name, paths] : named) {
    if (paths.size() > 1) {
      PROSODIA_ASSIGN(folders.emplace_back(), read_repetitions(name, paths));
      continue;
    }
    PROSODIA_ASSIGN(folders.emplace_back(), read_eval_folder(paths[0]));
    folders.back().name = name;
  }
  return folders;
}

Result<std::vector<std::pair<std::string, Comparison>>> compare_folders(const std::vector<EvalFolder>& folders,
                                                                        const EvalOptions& options) {
  std::vector<std::pair<std::string, Comparison>> comparisons;
  for (const auto& [decoding, sets] : folders[0].records) {
    std::vector<RunRecords> runs;
    for (const EvalFolder& folder : folders)
      if (const auto* found = find_decoding(folder, decoding)) runs.push_back({folder.name, *found});
    if (runs.size() < folders.size()) continue;
    auto comparison = compare_many(runs, options);
    if (!comparison) return wrap(comparison.error(), decoding);
    comparisons.emplace_back(decoding, std::move(*comparison));
  }
  if (comparisons.empty())
    return fail(ErrorCode::kInvalidInput, "no decoding (greedy, sampled) is in all of the evals to compare");
  return comparisons;
}

Status write_comparison(const std::vector<std::pair<std::string, Comparison>>& decodings, const fs::path& output_dir) {
  FileSystem& files = posix_file_system();
  PROSODIA_TRY(files.create_dirs(output_dir));
  nlohmann::json json = nlohmann::json::object();
  std::string text;
  for (const auto& [decoding, comparison] : decodings) {
    json[decoding] = to_json(comparison);
    text += decoding + ": " + to_text(comparison);
  }
  fmt::print("{}", text);
  PROSODIA_TRY(write_file_atomic(files, output_dir / "comparison.txt", text));
  PROSODIA_TRY(write_file_atomic(files, output_dir / "comparison.json", json.dump(1) + "\n"));
  PROSODIA_TRY(write_file_atomic(files, output_dir / "comparison.html",
                                 comparison_html(decodings, "Comparison of evaluations")));
  return {};
}

}  // namespace prosodia::cli
