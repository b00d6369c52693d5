// Checkpoints as folders that are committed or do not exist: ROOT/step-NNNNNN/ with MANIFEST.json (sizes and CRC-32C of
// every file, the caller's fields, its own CRC).
//
//   begin(step) -> ROOT/step-NNNNNN.tmp/   every rank writes its files there
//   commit(step)   fsync each file, MANIFEST.json, fsync the folders, rename to step-NNNNNN, fsync ROOT
//   latest()       newest folder whose files all match its manifest
//
// A crash at any point leaves the earlier checkpoints as they were; leftovers are removed by the next begin() or gc().
// Called by the learner's rank 0 (ranks meet at a barrier before commit) and the coordinator (latest, verify). Single
// thread, one writer per ROOT. Failures: kStorage; kCorruption when a folder disagrees with its manifest.
#pragma once

#include <cstdint>
#include <filesystem>
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

  // An empty working folder for this step. Subfolders are allowed; the name MANIFEST.json is not.
  Result<std::filesystem::path> begin(uint64_t step);
  // Durable on OK. Replaces a checkpoint of the same step.
  Result<CheckpointInfo> commit(uint64_t step, const nlohmann::json& manifest_extra);

  // The newest valid checkpoint; nullopt when there is none at all. Newer damaged ones are passed over and described in
  // `skipped`. When every one is damaged the answer is kCorruption, so that nobody starts anew over lost work unaware.
  Result<std::optional<CheckpointInfo>> latest(std::vector<std::string>* skipped = nullptr);
  Result<CheckpointInfo> verify(const std::filesystem::path& checkpoint) const;  // reads every byte
  // Removes all but the newest `keep` (>= 1) committed checkpoints, and leftovers of interrupted commits.
  Status gc(size_t keep);

  std::vector<uint64_t> steps() const;  // of the committed folders, ascending; not verified
  std::filesystem::path path_of(uint64_t step) const;
  const std::filesystem::path& root() const { return root_; }

 private:
  Status remove_leftovers();
  FileSystem* fs_;
  std::filesystem::path root_;
};

}  // namespace prosodia
