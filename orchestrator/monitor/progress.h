// One line per optimizer step for people: step, reward and its components, KL, lengths, tokens per second, where the
// time went, time left. Fits the width it is given: the less important fields go first.
//
// Called through MonitorSinks; `watch` prints the same lines from metrics.jsonl. Single thread; cannot fail.
#pragma once

#include <cstdio>
#include <deque>
#include <string>

#include "orchestrator/monitor/step_report.h"

namespace prosodia {

// Without a newline, at most `columns` wide (columns >= 40). eta_seconds < 0: unknown, left out.
std::string progress_line(const StepReport&, int columns, double eta_seconds);

// "42s", "12m30s", "3h05m", "2d04h".
std::string format_duration(double seconds);

// The terminal's width, or 120 when `stream` is none.
int terminal_columns(std::FILE* stream);

class ProgressPrinter {
 public:
  ProgressPrinter(std::FILE* stream, int columns) : stream_(stream), columns_(columns) {}
  void on_step(const StepReport&);

 private:
  double eta_seconds(const StepReport&);  // from the mean of the last steps' times
  std::FILE* stream_;
  int columns_;
  std::deque<double> step_seconds_;
};

}  // namespace prosodia
