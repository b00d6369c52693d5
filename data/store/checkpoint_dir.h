// Checkpoints as folders that are committed or do not exist: ROOT/step-NNNNNN/ with MANIFEST.json (sizes and CRC-32C of
// every file, the caller's fields, its own CRC).
//
//   begin(step) -> ROOT/step-NNNNNN.tmp/   every rank writes its files there
//   commit(step)   fsync each file, MANIFEST.json, fsync the folders, rename to step-NNNNNN, fsync ROOT
//   latest()       newest folder whose files all match its manifest
//
// A crash at any point leaves the earlier checkpoints as they were. Committing a step again moves the old folder to
// step-NNNNNN.old until the new one is durable; should a crash come between, lock(), latest(), begin() and gc() move it
// back. Other leftovers are removed by the next begin() or gc().
//
// One writer per ROOT: the learner's rank 0 holds lock() from its start on (ranks meet at a barrier before commit), so
// that a fenced group that still runs cannot write beside its successor. Single thread. Failures: kStorage; kCorruption
// when a folder disagrees with its manifest.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "data/store/fs.h"

namespace prosodia {

struct CheckpointInfo {
  std::filesystem::path path;
  uint64_t step = 0;
  uint64_t total_bytes = 0;
  nlohmann::json extra;  // what the caller gave to commit(): config digest, policy version, data cursor, …
};

class CheckpointStore {
 public:
  CheckpointStore(FileSystem& fs, std::filesystem::path root) : fs_(&fs), root_(std::move(root)) {}

  // For as long as the object lives; it also ends with the process. kUnavailable names the process that holds it.
  Result<std::unique_ptr<FileLock>> lock();
  // An empty working folder for this step. Subfolders are allowed; the name MANIFEST.json is not.
  Result<std::filesystem::path> begin(uint64_t step);
  // Durable on OK. Replaces a checkpoint of the same step.
  Result<CheckpointInfo> commit(uint64_t step, const nlohmann::json& manifest_extra);

  // The newest valid checkpoint; nullopt when there is none at all. Newer damaged ones are passed over and described in
  // `skipped`. When every one is damaged the answer is kCorruption, so that nobody starts anew over lost work unaware.
  Result<std::optional<CheckpointInfo>> latest(std::vector<std::string>* skipped = nullptr);
  Result<CheckpointInfo> verify(const std::filesystem::path& checkpoint) const;  // reads every byte
  // Removes all but the newest `keep` (>= 1) committed checkpoints, and leftovers of interrupted commits. `committed`,
  // the step just committed, stays even when it is not among them: a run that resumed from an older checkpoint goes on
  // from it. So does `besides`: the best one of a run that wants it at its end.
  Status gc(size_t keep, uint64_t committed, std::optional<uint64_t> besides = std::nullopt);

  std::vector<uint64_t> steps() const;  // of the committed folders, ascending; not verified
  std::filesystem::path path_of(uint64_t step) const;
  const std::filesystem::path& root() const { return root_; }

 private:
  Status restore_replaced();
  Status remove_leftovers();
  FileSystem* fs_;
  std::filesystem::path root_;
};

}  // namespace prosodia
