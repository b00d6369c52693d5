// Tables of an evaluation, once, for every medium: rows of cells that evaluation_sets_report.cc prints and
// evaluation_pages.cc draws. For reward/evaluation*.cc. Pure.
#pragma once

#include <string>
#include <vector>

#include "reward/evaluation_compare.h"
#include "reward/evaluation_sets.h"

namespace prosodia {

struct EvalTable {
  std::string title, note;
  std::vector<std::string> columns;            // the first is the row's name
  std::vector<std::vector<std::string>> rows;  // one line a cell; "\n" between value and interval
};

// One row a set and the average: accuracy, recall, F1, format, reasoning quality, faithfulness. Sets without emotion
// records are left out; no rows when there is none.
EvalTable overview_table(const EvalSummary& summary);
// The four criteria and their mean, a row a set and the average. `scorer`: who graded.
EvalTable reasoning_table(const EvalSummary& summary, const std::string& scorer);
// Accuracy per attribute, a column a set and the average; the last rows are all questions and the mean over attributes.
EvalTable prosody_table(const EvalSummary& summary);
// Metrics down, runs across: value and interval, and for the runs after the first the difference with p.
EvalTable comparison_table(const Comparison& comparison, const SetComparison& set);
// Runs down, as in the paper's tables: accuracy, reasoning quality, faithfulness, each with its interval. Of the
// average over the sets, or the only one; no rows for fewer than three runs (comparison_table says it all) or without
// emotions.
EvalTable runs_table(const Comparison& comparison);
// comparison_table for a terminal: a line for each metric and run.
EvalTable comparison_lines(const Comparison& comparison, const SetComparison& set);

}  // namespace prosodia
