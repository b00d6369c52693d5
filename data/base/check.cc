#include "data/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace prosodia {

void check_failed(const char* file, int line, const char* condition, const std::string& detail) {
  std::fprintf(stderr, "%s:%d: broken invariant: %s%s%s\nThis is a bug in Prosodia; please report it with this line.\n",
               file, line, condition, detail.empty() ? "" : ": ", detail.c_str());
  std::fflush(stderr);
  std::abort();
}

}  // namespace prosodia
