// How far a long command is, on stderr: a bar that is redrawn with the speed and the time left where stderr is a
// terminal, else (a file, a pipe) a line at every quarter and at the end. Called by every command that takes long.
// Single thread; cannot fail.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

namespace prosodia {

struct Pace {
  double per_second = -1;   // < 0: not known, left out
  double eta_seconds = -1;  // the same
};

// "decoding  [=====>    ]  512/1440  35 %  41.2/s  eta 12s", at most `columns` wide.
std::string progress_text(std::string_view what, size_t done, size_t total, int columns, const Pace& pace);

class ProgressBar {
 public:
  explicit ProgressBar(std::string what);
  ~ProgressBar();  // ends an unfinished line
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // `done` items of `total`; the first call's `done` was there at the start and says nothing about the speed.
  void show(size_t done, size_t total);
  void rename(std::string what) { what_ = std::move(what); }
  // Takes the bar off the terminal until the next show(), so that other lines can be printed.
  void hide();
  bool on_terminal() const { return terminal_; }

 private:
  using Clock = std::chrono::steady_clock;
  Pace pace(size_t done, size_t total) const;
  void show_line(size_t done, size_t total);
  std::string what_;
  bool terminal_, line_open_ = false;
  size_t first_ = 0;
  int shown_quarter_ = 0;
  bool started_ = false;
  Clock::time_point start_{}, drawn_{};
};

}  // namespace prosodia
