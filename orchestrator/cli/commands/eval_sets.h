// The sets of one `eval`: which rows, under which name, and what a response to a row is worth.
// Failure: kUsage for the list, kInvalidInput naming file and line for a row.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/base/digest.h"
#include "data/corpus/dataset.h"
#include "orchestrator/cli/options.h"
#include "reward/evaluation.h"

namespace prosodia::cli {

struct EvalSet {
  std::string name;  // as given, or the file's name without .jsonl
  std::filesystem::path path;
  Digest digest;  // of the file's bytes
  std::vector<Sample> samples;
  std::vector<std::string> ids;  // one a sample, unique: the row's "id" (with its attribute), or "row-N"
};

// --dataset FILE or NAME=FILE, …; every row has a "solution", and a row with an "attribute" its "options".
Result<std::vector<EvalSet>> read_eval_sets(const Options& options);

// Row `index` of the set with this response. `scorer` null: no grades.
Result<EvalRecord> judge(const EvalSet& set, size_t index, const std::string& response, ReasoningScorer* scorer);

}  // namespace prosodia::cli
