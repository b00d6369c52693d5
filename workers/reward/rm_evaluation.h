// A reward model over rows with prescribed grades (rm.eval.jsonl): the records that reward/rm_report.h compares.
//
// Rows are asked as they stand, without their assistant turn; neighbouring rows with the same audio are graded
// together. With several ranks every rank grades a share, and all ranks get all records: grades do not depend on the
// sharing. Called by train-rm on every rank. Single thread.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "data/base/status.h"
#include "data/corpus/rm_card.h"
#include "reward/rm_report.h"
#include "workers/reward/rm_grader.h"

namespace prosodia {

// Rows of a reward model: every one with a parsable answer and the instruction of one style, which is returned.
// kInvalidInput naming the row, what was expected and how such rows are made.
Result<PromptStyle> check_rm_rows(std::span<const Sample> rows);

struct RmShare {
  int rank = 0, size = 1;
  // Adds up over ranks, element by element; identity for one rank.
  std::function<Status(std::span<double>)> sum = [](std::span<double>) { return Status(); };
  std::function<void(size_t rows, size_t total)> on_progress = [](size_t, size_t) {};  // of the whole, as far as known
};

// Failures of single rows are records; kInterrupted when `stop_requested` says so between two groups (on every rank).
Result<std::vector<RmRecord>> grade_rm_rows(RmGrader& grader, const Processor& processor, std::span<const Sample> rows,
                                            const RmShare& share, const std::function<bool()>& stop_requested);

}  // namespace prosodia
