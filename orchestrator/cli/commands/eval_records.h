// records.jsonl of an eval folder: what was asked, answered and judged, row by row, so that an eval that was
// interrupted goes on, and finished ones can be compared.
//
//   {"eval": {…}}                                        first line: what the rows depend on (identity)
//   {"decoding":"greedy","set":"ravdess","id":…, …}      one judged response, in the order of decodings, sets and rows
// A line is written whole before the next row is judged; it reaches the operating system at once. A torn last line is
// cut off when the folder is opened again. One eval at a time in a folder: kUnavailable names the process that holds
// it. Single thread. Other failures: kStorage; kUsage for another evaluation's folder, naming the option that differs;
// kInvalidInput naming the line of a malformed file.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/store/fs.h"
#include "reward/evaluation_sets.h"

namespace prosodia::cli {

// decoding -> sets -> records, in the order of the file.
using EvalRecordsByDecoding = std::vector<std::pair<std::string, std::vector<EvalSetRecords>>>;

class EvalLog {
 public:
  static Result<std::unique_ptr<EvalLog>> open(const std::filesystem::path& dir, const nlohmann::json& identity);

  // Rows already there.
  const std::vector<EvalRecord>& done(const std::string& decoding, const std::string& set) const;
  size_t num_done() const;
  Status add(const std::string& decoding, const std::string& set, EvalRecord record, const std::string& response);
  Status sync() { return file_->sync(); }

 private:
  EvalLog() = default;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<WritableFile> file_;
  std::map<std::pair<std::string, std::string>, std::vector<EvalRecord>> records_;
};

// A finished or unfinished eval's records; `path` is its folder or a file in it.
Result<EvalRecordsByDecoding> read_eval_records(std::filesystem::path path);

}  // namespace prosodia::cli
