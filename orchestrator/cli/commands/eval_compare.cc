#include "orchestrator/cli/commands/eval_compare.h"

#include <fmt/core.h>

#include <algorithm>
#include <set>

#include "data/store/atomic_file.h"
#include "reward/evaluation_sets_report.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;

// The last `parts` parts of a path.
std::string tail(const fs::path& path, size_t parts) {
  std::vector<std::string> names;
  for (const fs::path& part : path) names.push_back(part.string());
  std::string text;
  for (size_t i = names.size() - std::min(parts, names.size()); i < names.size(); ++i)
    text += (text.empty() || text.ends_with('/') ? "" : "/") + names[i];
  return text;
}

Result<std::vector<std::string>> names_of(const std::vector<std::string>& paths) {
  std::vector<fs::path> whole;
  for (const std::string& path : paths) {
    fs::path full = fs::weakly_canonical(fs::absolute(path));
    if (!full.has_filename()) full = full.parent_path();
    whole.push_back(std::move(full));
  }
  for (size_t parts = 1; parts < 64; ++parts) {
    std::vector<std::string> names;
    for (const fs::path& path : whole) names.push_back(tail(path, parts));
    if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) return names;
  }
  return fail(ErrorCode::kUsage, "--compare: the same folder is there twice");
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

Result<std::vector<EvalFolder>> read_eval_folders(const std::vector<std::string>& paths) {
  PROSODIA_ASSIGN(const auto names, names_of(paths));
  std::vector<EvalFolder> folders;
  for (size_t i = 0; i < paths.size(); ++i) {
    PROSODIA_ASSIGN(EvalRecordsByDecoding records, read_eval_records(paths[i]));
    folders.push_back({names[i], std::move(records)});
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
