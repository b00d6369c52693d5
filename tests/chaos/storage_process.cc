// A process that stores, to be killed by storage_kill_test.sh at each of its system calls:
//   storage_process journal|checkpoint|archive DIR   recovers what is in DIR, says what it found, and goes on storing
// Standard output: "found N …" first, then "ack N" for everything that is promised to survive. N counts up over lives.
#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "data/store/atomic_file.h"
#include "data/store/checkpoint_dir.h"
#include "data/store/journal.h"
#include "orchestrator/coordinator/archive.h"

namespace prosodia {
namespace {

constexpr uint64_t kMore = 6;  // things stored in one life

void say(const std::string& line) {  // at once: a kill must not take an acknowledgement back
  if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) std::abort();
}

Status store_journal(const std::filesystem::path& dir) {
  uint64_t newest = 0;
  JournalRecovery recovery;
  const auto replay = [&](const JournalRecord& record) -> Status {
    const std::string text(reinterpret_cast<const char*>(record.payload.data()), record.payload.size());
    const uint64_t number = std::stoull(text);
    if (record.type == 1 && number > newest + 1) return fail(ErrorCode::kCorruption, "{} after {}", number, newest);
    newest = std::max(newest, number);
    return {};
  };
  PROSODIA_ASSIGN(const auto journal,
                  Journal::open(posix_file_system(), dir, replay, &recovery, {.segment_bytes = 300}));
  say(fmt::format("found {} {}\n", newest, recovery.message));
  for (uint64_t i = 0; i < kMore; ++i) {
    PROSODIA_TRY(journal->append(1, as_byte_span(std::to_string(newest + 1))));
    PROSODIA_TRY(journal->sync());
    say(fmt::format("ack {}\n", ++newest));
  }
  return journal->retire(journal->next_lsn(), [&] {
    const std::string text = std::to_string(newest);
    const auto bytes = as_byte_span(text);
    return std::vector<JournalRecord>{{0, 2, {bytes.begin(), bytes.end()}}};
  });
}

Status commit(CheckpointStore& store, uint64_t step) {
  PROSODIA_ASSIGN(const auto working, store.begin(step));
  PROSODIA_TRY(write_file_atomic(posix_file_system(), working / "model", std::string(5000, 'm')));
  PROSODIA_TRY(store.commit(step, {{"step", step}}));
  say(fmt::format("ack {}\n", step));
  return store.gc(2, step);
}

Status store_checkpoints(const std::filesystem::path& dir) {
  CheckpointStore store(posix_file_system(), dir);
  PROSODIA_ASSIGN(const auto lock, store.lock());
  std::vector<std::string> skipped;
  PROSODIA_ASSIGN(const auto latest, store.latest(&skipped));
  if (!skipped.empty()) return fail(ErrorCode::kCorruption, "{}", skipped[0]);  // committed or not there
  const uint64_t newest = latest ? latest->step : 0;
  say(fmt::format("found {}\n", newest));
  if (newest > 0) PROSODIA_TRY(commit(store, newest));  // the same step again
  PROSODIA_TRY(commit(store, newest + 1));
  return commit(store, newest + 2);
}

Status store_archive(const std::filesystem::path& dir) {
  PROSODIA_ASSIGN(const auto segments, list_segments(posix_file_system(), dir));
  for (const Segment& segment : segments) PROSODIA_TRY(read_segment(segment.path));  // every one is readable
  uint64_t steps = archived_before(segments, 0);
  say(fmt::format("found {}\n", steps));
  for (int i = 0; i < 2; ++i) {
    protocol::StepBatch batch;
    batch.step = StepId(steps);
    batch.groups.push_back({GroupId(steps), R"({"id":"x"})", 7, {}, {}});
    batch.groups[0].rollout.group_id = batch.groups[0].reward.group_id = GroupId(steps);
    batch.groups[0].rollout.completions.push_back({{1, 2, 3}, {-0.5f, -1.0f, -2.0f}, {}, "text"});
    batch.groups[0].reward.responses.emplace_back();
    batch.batch_digest = protocol::digest_of(batch.groups);
    PROSODIA_TRY(write_segment(posix_file_system(), dir, {{batch, 0.5, batch.batch_digest}}));
    say(fmt::format("ack {}\n", ++steps));
  }
  return {};
}

int run(const std::string& what, const std::filesystem::path& dir) {
  const Status status = what == "journal"      ? store_journal(dir)
                        : what == "checkpoint" ? store_checkpoints(dir)
                                               : store_archive(dir);
  if (status) return 0;
  fmt::print(stderr, "{}\n", status.error().message);
  return exit_code(status.error().code);
}

}  // namespace
}  // namespace prosodia

int main(int argc, char** argv) { return argc == 3 ? prosodia::run(argv[1], argv[2]) : 2; }
