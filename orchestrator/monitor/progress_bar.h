// How far a long command is, on stderr: a bar that is redrawn with the time left where stderr is a terminal, else a
// line at every quarter. Called by the data commands. Single thread; cannot fail.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace prosodia {

// "decoding  [=====>    ]  512/1440  35 %  eta 12s", at most `columns` wide. eta_seconds < 0: not known, left out.
std::string progress_text(std::string_view what, size_t done, size_t total, int columns, double eta_seconds);

class ProgressBar {
 public:
  explicit ProgressBar(std::string what);
  ~ProgressBar();  // ends an unfinished line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `done` items of `total`; the first call's `done` was there at the start and says nothing about the speed.
  void show(size_t done, size_t total);

 private:
  using Clock = std::chrono::steady_clock;
  std::string what_;
  bool terminal_, line_open_ = false;
  size_t first_ = 0;
  int shown_quarter_ = 0;
  bool started_ = false;
  Clock::time_point start_{}, drawn_{};
};

}  // namespace prosodia
