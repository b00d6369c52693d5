#include "data/store/checkpoint_dir.h"

#include <cerrno>

#include "data/store/atomic_file.h"
#include "data/store/testing/faulty_file_system.h"
#include "tests/unit/store/store_test_util.h"

namespace prosodia {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kRoot = "run/checkpoints";

Status save(FileSystem& fs, uint64_t step, std::string_view contents) {
  CheckpointStore store(fs, kRoot);
  PROSODIA_ASSIGN(const auto dir, store.begin(step));
  PROSODIA_TRY(write_file_atomic(fs, dir / "model.safetensors", contents));
  PROSODIA_TRY(fs.create_dirs(dir / "optimizer"));
  // As another rank would: written, left to commit() to sync.
  PROSODIA_ASSIGN(auto shard, fs.open_append(dir / "optimizer/rank-0.bin", OpenMode::kTruncate));
  PROSODIA_TRY(shard->append(as_byte_span(fmt::format("moments of {}", contents))));
  PROSODIA_TRY(store.commit(step, {{"config_digest", "abc"}, {"policy_version", step}}));
  return {};
}

std::string model_of(FileSystem& fs, const CheckpointInfo& info) {
  EXPECT_EQ(fs.read_text(info.path / "optimizer/rank-0.bin").value(),
            "moments of " + fs.read_text(info.path / "model.safetensors").value());
  return fs.read_text(info.path / "model.safetensors").value();
}

TEST(CheckpointStore, CommitsVerifiesAndKeepsTheNewest) {
  TempDir temp;
  FileSystem& fs = posix_file_system();
  CheckpointStore store(fs, temp / "c");
  EXPECT_FALSE(store.latest().value().has_value());
  for (const uint64_t step : {5, 10, 1000000, 15}) {
    const auto dir = store.begin(step).value();
    ASSERT_TRUE(write_file_atomic(fs, dir / "w", fmt::format("weights {}", step)));
    const auto info = store.commit(step, {{"seed", 7}});
    ASSERT_TRUE(info) << info.error().message;
    EXPECT_EQ(info->path, store.path_of(step));
  }
  EXPECT_THAT(store.steps(), ElementsAre(5, 10, 15, 1000000));
  const auto latest = store.latest().value().value();
  EXPECT_EQ(latest.step, 1000000u);
  EXPECT_EQ(latest.extra, json({{"seed", 7}}));
  EXPECT_EQ(latest.total_bytes, 15u);
  ASSERT_TRUE(store.begin(20));
  ASSERT_TRUE(store.gc(2, 15));
  EXPECT_THAT(fs.list_dir(temp / "c").value(),
              ElementsAre(DirEntry{"step-000015", true}, DirEntry{"step-1000000", true}));
}

TEST(CheckpointStore, CrashAtEveryCallLeavesThePreviousOrTheNewOne) {
  for (const Crash kind : {Crash::kProcess, Crash::kDropUnsynced, Crash::kTearUnsynced}) {
    for (uint64_t n = 1;; ++n) {
      bool finished = false;
      for (uint64_t seed = 0; seed < 8; ++seed) {
        SCOPED_TRACE(fmt::format("crash {} at call {} seed {}", static_cast<int>(kind), n, seed));
        FaultyFileSystem fs(seed);
        ASSERT_TRUE(save(fs, 1, "one"));
        fs.fail_calls_from(fs.calls() + n, EIO);
        finished = static_cast<bool>(save(fs, 2, "two"));
        fs.crash(kind);
        CheckpointStore store(fs, kRoot);
        std::vector<std::string> skipped;
        const auto latest = store.latest(&skipped);
        ASSERT_TRUE(latest) << latest.error().message;
        ASSERT_TRUE(latest->has_value());
        EXPECT_THAT(skipped, testing::IsEmpty()) << "a folder of that name is committed or not there";
        const std::string found = model_of(fs, **latest);
        EXPECT_TRUE(found == "two" || (!finished && found == "one")) << found;
        ASSERT_TRUE(save(fs, 3, "three"));  // and it goes on
        ASSERT_TRUE(store.gc(2, 3));
        EXPECT_EQ(model_of(fs, store.latest().value().value()), "three");
        EXPECT_EQ(fs.list_dir(kRoot).value().size(), 2u);
      }
      if (finished) break;
      ASSERT_LT(n, 200u);
    }
  }
}

// Committing the only checkpoint's step again, with a crash at every call, and a second crash at every call of what the
// next process does: one of the two is always there.
TEST(CheckpointStore, ReplacingTheOnlyCheckpointNeverLosesBoth) {
  for (const Crash kind : {Crash::kProcess, Crash::kDropUnsynced, Crash::kTearUnsynced}) {
    for (uint64_t n = 1;; ++n) {
      bool finished = false;
      for (uint64_t m = 1;; ++m) {
        SCOPED_TRACE(fmt::format("crash {} at calls {} and {}", static_cast<int>(kind), n, m));
        FaultyFileSystem fs(n * 100 + m);
        ASSERT_TRUE(save(fs, 2, "two"));
        fs.fail_calls_from(fs.calls() + n, EIO);
        finished = static_cast<bool>(save(fs, 2, "two again"));
        fs.crash(kind);
        fs.fail_calls_from(fs.calls() + m, EIO);
        CheckpointStore second(fs, kRoot);
        const bool recovered = second.lock() && second.latest() && second.gc(2, 2);
        fs.crash(kind);
        const auto latest = CheckpointStore(fs, kRoot).latest();
        ASSERT_TRUE(latest && latest->has_value());
        const std::string found = model_of(fs, **latest);
        EXPECT_TRUE(found == "two again" || (!finished && found == "two")) << found;
        if (recovered) break;
        ASSERT_LT(m, 100u);
      }
      if (finished) break;
      ASSERT_LT(n, 200u);
    }
  }
}

TEST(CheckpointStore, GcKeepsTheOneJustCommittedThoughOthersAreNewer) {
  FaultyFileSystem fs;
  for (const uint64_t step : {8, 10, 6}) ASSERT_TRUE(save(fs, step, "w"));  // the run resumed from before step 6
  CheckpointStore store(fs, kRoot);
  ASSERT_TRUE(store.gc(2, 6));
  EXPECT_THAT(store.steps(), ElementsAre(6, 8, 10));
  ASSERT_TRUE(save(fs, 12, "w"));
  ASSERT_TRUE(store.gc(2, 12));
  EXPECT_THAT(store.steps(), ElementsAre(10, 12));
}

TEST(CheckpointStore, OneWriter) {
  TempDir temp;
  CheckpointStore fenced(posix_file_system(), temp / "c"), successor(posix_file_system(), temp / "c");
  auto held = fenced.lock();
  ASSERT_TRUE(held);
  const auto refused = successor.lock();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  held->reset();
  EXPECT_TRUE(successor.lock());
}

TEST(CheckpointStore, DetectsEveryFlippedBitAndCut) {
  FaultyFileSystem fs;
  ASSERT_TRUE(save(fs, 1, "one"));
  ASSERT_TRUE(save(fs, 2, "two"));
  CheckpointStore store(fs, kRoot);
  for (const auto& [file, original] : snapshot(fs, store.path_of(2))) {
    for (size_t byte = 0; byte < original.size(); ++byte) {
      std::vector<std::string> versions = {original.substr(0, byte)};
      for (int bit = 0; bit < 8; ++bit) {
        versions.push_back(original);
        versions.back()[byte] = static_cast<char>(original[byte] ^ (1 << bit));
      }
      for (const std::string& damaged : versions) {
        fs.overwrite(file, to_bytes(damaged));
        std::vector<std::string> skipped;
        const auto latest = store.latest(&skipped);
        ASSERT_TRUE(latest) << latest.error().message;
        EXPECT_EQ((*latest)->step, 1u) << file << " byte " << byte;
        ASSERT_EQ(skipped.size(), 1u);
        EXPECT_THAT(skipped[0], AllOf(HasSubstr("step-000002"), HasSubstr("damaged")));
      }
    }
    fs.overwrite(file, to_bytes(original));
  }
  EXPECT_EQ(store.latest().value()->step, 2u);
}

TEST(CheckpointStore, RefusesToStartAnewOverDamage) {
  FaultyFileSystem fs;
  ASSERT_TRUE(save(fs, 1, "one"));
  CheckpointStore store(fs, kRoot);
  ASSERT_TRUE(fs.remove(store.path_of(1) / "model.safetensors"));
  const auto latest = store.latest();
  ASSERT_FALSE(latest);
  EXPECT_EQ(latest.error().code, ErrorCode::kCorruption);
  EXPECT_THAT(latest.error().message,
              AllOf(HasSubstr("no checkpoint is intact"), HasSubstr("model.safetensors: is missing")));
}

TEST(CheckpointStore, GcDoesNotCountUnreadableOnesAsKept) {
  FaultyFileSystem fs;
  for (const uint64_t step : {1, 2, 3}) ASSERT_TRUE(save(fs, step, "w"));
  CheckpointStore store(fs, kRoot);
  ASSERT_TRUE(fs.remove(store.path_of(3) / "MANIFEST.json"));
  ASSERT_TRUE(store.gc(1, 3));
  EXPECT_THAT(store.steps(), ElementsAre(2, 3));
  EXPECT_EQ(store.latest().value()->step, 2u);
}

TEST(CheckpointStore, AFullDiskIsAStorageError) {
  FaultyFileSystem fs;
  ASSERT_TRUE(save(fs, 1, "one"));
  fs.fail_call(fs.calls() + 10, ENOSPC);
  const auto full = save(fs, 2, "two");
  ASSERT_FALSE(full);
  EXPECT_EQ(exit_code(full.error().code), 5);
  EXPECT_THAT(full.error().message, AllOf(HasSubstr("step-000002.tmp"), HasSubstr("free space")));
}

}  // namespace
}  // namespace prosodia
