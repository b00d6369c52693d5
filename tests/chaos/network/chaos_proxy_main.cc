// chaos_proxy TARGET SEED DELAY_MS LOSS CORRUPT CUT: a ChaosProxy as a program, for tests of the real binary. Prints its own
// endpoint, then forwards until its standard input ends; prints what it did.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/support/chaos_proxy.h"

int main(int argc, char** argv) {
  if (argc != 7) {
    std::fprintf(stderr, "usage: chaos_proxy tcp://127.0.0.1:PORT SEED DELAY_MS LOSS CORRUPT CUT\n");
    return 2;
  }
  prosodia::testing_support::ChaosProxy proxy(std::strtoull(argv[2], nullptr, 10), 128);
  prosodia::testing_support::NetworkFaults faults;
  faults.delay_ms = std::atoll(argv[3]);
  faults.loss = std::atof(argv[4]);
  faults.corrupt = std::atof(argv[5]);
  faults.cut = std::atof(argv[6]);
  proxy.set(faults);
  std::printf("%s\n", proxy.start(argv[1]).c_str());
  std::fflush(stdout);
  char ignored;
  while (::read(STDIN_FILENO, &ignored, 1) > 0) {
  }
  const auto& stats = proxy.stats();
  std::printf("connections %llu bytes %llu stalled %llu corrupted %llu cut %llu\n",
              static_cast<unsigned long long>(stats.connections), static_cast<unsigned long long>(stats.bytes),
              static_cast<unsigned long long>(stats.stalled), static_cast<unsigned long long>(stats.corrupted),
              static_cast<unsigned long long>(stats.cut));
  return 0;
}
