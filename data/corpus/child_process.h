// Runs a program to its end and collects what it writes.
//
// Called by: espeak. Thread rule: thread-safe; any number at a time (pipes are close-on-exec). Blocking.
// Failure rule: a program that cannot be started, exceeds its time or its output limit is an Error and is killed; one
// that ends with a non-zero status is not an Error here: the caller judges.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

struct ChildOutput {
  std::vector<std::byte> out;  // stdout
  std::string err;             // stderr, at most the last 4 KiB
  int exit_status = 0;         // >= 0; 128 + signal number when a signal ended it
};

struct ChildLimits {
  std::chrono::milliseconds time{30'000};
  size_t out_bytes = size_t{64} << 20;
};

// arguments[0] is the program: a path, or a name searched in PATH. kUnavailable when it is not there.
Result<ChildOutput> run_program(const std::vector<std::string>& arguments, const ChildLimits& limits = {});

}  // namespace prosodia
