// What the kernel and the container grant: disk, shared memory, open files, cores, memory.
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "data/base/number.h"
#include "data/store/fs.h"
#include "orchestrator/doctor/machine_check.h"

namespace prosodia::doctor {
namespace {

using Path = std::filesystem::path;
constexpr double kGigabyte = 1e9;

// Mean seconds of an append and fdatasync of 4 KiB, as the journal does before every acknowledgement.
Result<double> sync_seconds(const Path& dir) {
  const Path file = dir / fmt::format(".prosodia-doctor-{}.tmp", getpid());
  const std::vector<std::byte> block(4096);
  constexpr int kRounds = 8;
  const auto measure = [&]() -> Result<double> {
    PROSODIA_ASSIGN(const auto out, posix_file_system().open_append(file, OpenMode::kTruncate));
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < kRounds; ++i) {
      PROSODIA_TRY(out->append(block));
      PROSODIA_TRY(out->sync());
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count() / kRounds;
  };
  auto seconds = measure();
  (void)posix_file_system().remove(file);
  return seconds;
}

Findings disk(const Path& dir) {
  struct statvfs state = {};
  if (::statvfs(dir.c_str(), &state) < 0)
    return {bad("disk", fmt::format("{} cannot be read", dir.string()), "give --output_dir a folder that exists",
                ErrorCode::kStorage)};
  const double free = static_cast<double>(state.f_bavail) * static_cast<double>(state.f_frsize) / kGigabyte;
  Findings findings;
  const std::string text = fmt::format("{:.1f} GB free at {}", free, dir.string());
  constexpr double kTight = 5;
  findings.push_back(free < kTight
                         ? warn("disk", text, "a checkpoint is weights + optimizer state: see `doctor --plan`")
                         : ok("disk", text));
  const auto seconds = sync_seconds(dir);
  if (!seconds) {
    findings.push_back(bad("fsync", seconds.error().message, "choose another --output_dir", seconds.error().code));
  } else {
    const std::string took = fmt::format("4 KiB reach the disk in {:.2f} ms", *seconds * 1e3);
    constexpr double kSlow = 0.05;
    findings.push_back(*seconds > kSlow
                           ? warn("fsync", took, "acknowledgements wait for it: use a local disk for the run folder")
                           : ok("fsync", took));
  }
  return findings;
}

Finding shared_memory() {
  struct statvfs state = {};
  if (::statvfs("/dev/shm", &state) < 0)
    return warn("shared memory", "/dev/shm is not there", "mount a tmpfs there: MPI ranks of one host talk through it");
  const double size = static_cast<double>(state.f_blocks) * static_cast<double>(state.f_frsize) / kGigabyte;
  const std::string text = fmt::format("/dev/shm has {:.2f} GB", size);
  constexpr double kDocker = 0.1;  // a container's default is 64 MB
  return size < kDocker
             ? warn("shared memory", text, "docker run --shm-size=1g: several MPI ranks need more than 64 MB")
             : ok("shared memory", text);
}

Finding open_files() {
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  const std::string text = fmt::format("limit {} (hard {})", limit.rlim_cur, limit.rlim_max);
  constexpr rlim_t kComfortable = 4096, kLeast = 256;
  if (limit.rlim_cur < kLeast)
    return bad("open files", text, "ulimit -n 4096: sockets, corpora and journals need them", ErrorCode::kUnavailable);
  return limit.rlim_cur < kComfortable
             ? warn("open files", text, "ulimit -n 4096 on the coordinator's host when there are hundreds of workers")
             : ok("open files", text);
}

// First number in a file of the kernel's; nothing for "max" or a missing file.
std::optional<double> number_in(const char* path) {
  std::ifstream file(path);
  std::string word;
  if (!(file >> word)) return std::nullopt;
  return parse_number(word);
}

Finding cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  const int usable = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
  std::string quota;
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string micros;
  double period = 0;
  if (file >> micros >> period; micros != "max" && period > 0)
    if (const auto value = parse_number(micros)) quota = fmt::format(", the container may use {:.1f}", *value / period);
  const bool vector = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const char* isa = __builtin_cpu_supports("avx512f") ? "AVX-512" : vector ? "AVX2" : "no AVX2";
  const std::string text = fmt::format("{} usable{}, {}", usable, quota, isa);
  return vector ? ok("cores", text)
                : bad("cores", text, "the kernels need AVX2 and FMA (x86-64 from 2013 on): use another host",
                      ErrorCode::kUnavailable);
}

Finding memory() {
  double total = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE)) / kGigabyte;
  const double available =
      static_cast<double>(sysconf(_SC_AVPHYS_PAGES)) * static_cast<double>(sysconf(_SC_PAGE_SIZE)) / kGigabyte;
  std::string container;
  if (const auto limit = number_in("/sys/fs/cgroup/memory.max"); limit && *limit / kGigabyte < total) {
    container = fmt::format(", the container may use {:.1f} GB", *limit / kGigabyte);
    total = *limit / kGigabyte;
  }
  const std::string text = fmt::format("{:.1f} GB{}, {:.1f} GB free", total, container, available);
  constexpr double kLeast = 2;
  return total < kLeast ? warn("memory", text, "see `prosodia doctor --plan` for what a run takes")
                        : ok("memory", text);
}

}  // namespace

Findings check_limits(const Path& work_dir) {
  Findings findings = disk(work_dir);
  for (auto* check : {&shared_memory, &open_files, &cores, &memory}) findings.push_back(check());
  return findings;
}

}  // namespace prosodia::doctor
