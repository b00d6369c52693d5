// A JSONL file of a set as it is built: rows are written as they come, and the file is there whole or not at all.
//
// Called by: build.cc. Thread rule: single thread. Failure rule: kStorage; without commit() the old file stays.
#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "data/base/status.h"
#include "data/store/atomic_file.h"

namespace prosodia {

// Receives the rows of a set in order.
using RowSink = std::function<Status(const nlohmann::ordered_json& row)>;

class RowFile {
 public:
  static Result<RowFile> create(const std::filesystem::path& path);
  static RowFile counting_only() { return RowFile(std::nullopt); }

  Status put(const nlohmann::ordered_json& row);
  Status commit();  // durable on OK
  int rows() const { return rows_; }

 private:
  explicit RowFile(std::optional<AtomicFile> file) : file_(std::move(file)) {}
  Status flush();
  std::optional<AtomicFile> file_;  // nullopt: rows are only counted
  std::string pending_;
  int rows_ = 0;
};

}  // namespace prosodia
