// `eval --compare D1,D2,…` and `--baseline D`: finished evals side by side.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "orchestrator/cli/commands/eval_records.h"
#include "orchestrator/cli/options.h"
#include "reward/evaluation_compare.h"

namespace prosodia::cli {

struct EvalFolder {
  std::string name;
  EvalRecordsByDecoding records;
};
// Named by the last part of its path.
Result<EvalFolder> read_eval_folder(const std::string& path);
// FOLDER, named by as much of its path as tells it apart, or NAME=FOLDER; several of one NAME are repetitions of a run
// (seeds), whose sets are reported each and on average. kUsage for a folder given twice, or some named and some not.
Result<std::vector<EvalFolder>> read_eval_folders(const std::vector<std::string>& items);

// Decodings that all folders have. kInvalidInput when there is none; otherwise as compare_many().
Result<std::vector<std::pair<std::string, Comparison>>> compare_folders(const std::vector<EvalFolder>& folders,
                                                                        const EvalOptions& options);

// comparison.json, comparison.html, comparison.txt in `output_dir`; the text also to stdout.
Status write_comparison(const std::vector<std::pair<std::string, Comparison>>& decodings,
                        const std::filesystem::path& output_dir);

EvalOptions eval_options(const Options& options);

}  // namespace prosodia::cli
