#include "orchestrator/cli/commands/archived_rollouts.h"

#include <algorithm>

namespace prosodia::cli {

namespace fs = std::filesystem;

Result<ArchivedRollouts> ArchivedRollouts::open(const fs::path& given) {
  const fs::path path = fs::weakly_canonical(fs::absolute(given));
  ArchivedRollouts archive;
  const bool is_run = fs::is_directory(path / "rollouts");
  const fs::path dir = is_run ? path / "rollouts" : fs::is_directory(path) ? path : path.parent_path();
  if (!fs::exists(path))
    return fail(ErrorCode::kInvalidInput,
                "--rollouts {}: does not exist; give a run folder, its rollouts/ or one .h5 file", given.string());
  PROSODIA_ASSIGN(archive.segments_, list_segments(posix_file_system(), dir));
  if (!fs::is_directory(path)) {
    std::erase_if(archive.segments_, [&](const Segment& segment) { return segment.path != path; });
    if (archive.segments_.empty()) {  // a file under another name
      PROSODIA_ASSIGN(const auto steps, read_segment(path));
      if (!steps.empty())
        archive.segments_.push_back({steps.front().batch.step.value, steps.back().batch.step.value, path});
    }
  }
  if (archive.segments_.empty())
    return fail(
        ErrorCode::kInvalidInput,
        "--rollouts {}: no step-AAAAAA-BBBBBB.h5 in it. A run archives every --archive_steps steps and at its end",
        given.string());
  const fs::path run = is_run ? path : dir.parent_path();
  if (fs::exists(run / "config.ini") || fs::exists(run / "journal")) archive.run_dir_ = run;
  return archive;
}

Result<std::optional<ArchivedStep>> ArchivedRollouts::read(uint64_t step) {
  if (step >= end_step()) return std::optional<ArchivedStep>();
  const auto found = std::find_if(segments_.begin(), segments_.end(), [&](const Segment& segment) {
    return segment.first_step <= step && step <= segment.last_step;
  });
  if (found == segments_.end())
    return fail(ErrorCode::kInvalidInput, "step {} is in no archived segment of {} (they hold steps {} to {})", step,
                segments_.front().path.parent_path().string(), first_step(), end_step() - 1);
  const auto index = static_cast<size_t>(found - segments_.begin());
  if (loaded_ != index) {
    PROSODIA_ASSIGN(steps_, read_segment(found->path));
    loaded_ = index;
  }
  for (const ArchivedStep& archived : steps_)
    if (archived.batch.step.value == step) return std::optional(archived);
  return fail(ErrorCode::kCorruption, "{}: holds no step {}, although its name says so", found->path.string(), step);
}

}  // namespace prosodia::cli
