// The archived steps that `replay` trains on, found by step number, and the run folder they belong to, when there is
// one. Reads only. Failure rule: kInvalidInput or kCorruption, naming file and step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "orchestrator/coordinator/archive.h"

namespace prosodia::cli {

class ArchivedRollouts {
 public:
  // `path`: a run folder, its rollouts folder, or one .h5 segment.
  static Result<ArchivedRollouts> open(const std::filesystem::path& path);

  uint64_t first_step() const { return segments_.front().first_step; }
  uint64_t end_step() const { return segments_.back().last_step + 1; }
  // The folder with config.ini or journal/ that the archive lies in; empty when it lies alone.
  const std::filesystem::path& run_dir() const { return run_dir_; }

  // The step; nothing at end_step(). Keeps one segment in memory, so ask in ascending order.
  Result<std::optional<ArchivedStep>> read(uint64_t step);

 private:
  std::vector<Segment> segments_;  // ascending, at least one
  std::filesystem::path run_dir_;
  size_t loaded_ = SIZE_MAX;  // index of the segment in steps_
  std::vector<ArchivedStep> steps_;
};

}  // namespace prosodia::cli
