// PROSODIA_CHECK: our own invariants. A failure is a bug in Prosodia, so the process aborts and says where and why.
#pragma once

#include <fmt/format.h>

#include <string>

namespace prosodia {
[[noreturn]] void check_failed(const char* file, int line, const char* condition, const std::string& detail);
}

// PROSODIA_CHECK(rows > 0, "rows {}", rows);
#define PROSODIA_CHECK(condition, ...)                                                                      \
  do {                                                                                                      \
    if (!(condition)) [[unlikely]]                                                                          \
      ::prosodia::check_failed(__FILE__, __LINE__, #condition, ::fmt::format("" __VA_ARGS__));              \
  } while (false)
