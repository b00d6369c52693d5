// One suite for the Collective interface; run by mpirun with 1, 2 and 3 ranks (and by itself: one rank without MPI).
#include "workers/learner/collective.h"

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <thread>

namespace prosodia {
namespace {

Collective* ranks = nullptr;  // made in main, before the first test

float value_of(int rank, size_t i) { return 1.0f / static_cast<float>(1 + i + 3 * static_cast<size_t>(rank)); }

std::vector<float> own_values(size_t count) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = value_of(ranks->rank(), i);
  return values;
}

TEST(Collective, SumsInRankOrderBitForBit) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{2}, size_t{7}, size_t{1000}, size_t{4099}}) {
    std::vector<float> values = own_values(count);
    ASSERT_TRUE(ranks->all_reduce_sum(std::span(values)));
    for (size_t i = 0; i < count; ++i) {
      float want = value_of(0, i);
      for (int r = 1; r < ranks->size(); ++r) want += value_of(r, i);
      ASSERT_EQ(values[i], want) << "element " << i << " of " << count;
    }
  }
}

TEST(Collective, ReduceScatterLeavesTheSumInTheOwnShard) {
  std::vector<float> values = own_values(1001);
  ASSERT_TRUE(ranks->reduce_scatter_sum(values));
  const Shard mine = shard_of(values.size(), ranks->rank(), ranks->size());
  for (size_t i = mine.begin; i < mine.end; ++i) {
    float want = value_of(0, i);
    for (int r = 1; r < ranks->size(); ++r) want += value_of(r, i);
    ASSERT_EQ(values[i], want);
  }
}

TEST(Collective, AllGatherBringsEveryShard) {
  std::vector<float> values(517, -1.0f);
  const Shard mine = shard_of(values.size(), ranks->rank(), ranks->size());
  for (size_t i = mine.begin; i < mine.end; ++i) values[i] = static_cast<float>(i);
  ASSERT_TRUE(ranks->all_gather(values));
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(values[i], static_cast<float>(i));
}

TEST(Collective, DoublesAddUp) {
  std::vector<double> values = {1.0, static_cast<double>(ranks->rank())};
  ASSERT_TRUE(ranks->all_reduce_sum(std::span(values)));
  EXPECT_EQ(values[0], ranks->size());
  EXPECT_EQ(values[1], ranks->size() * (ranks->size() - 1) / 2.0);
}

TEST(Collective, BroadcastsBytesOfUnknownSizeFromAnyRoot) {
  for (int root = 0; root < ranks->size(); ++root) {
    std::vector<std::byte> bytes;
    if (ranks->rank() == root) bytes.assign(100'003, std::byte{static_cast<uint8_t>(7 + root)});
    ASSERT_TRUE(ranks->broadcast_bytes(bytes, root));
    ASSERT_EQ(bytes.size(), 100'003u);
    EXPECT_EQ(bytes.back(), std::byte{static_cast<uint8_t>(7 + root)});
  }
}

TEST(Collective, OneRanksErrorBecomesEveryRanksError) {
  EXPECT_TRUE(ranks->agree({}));
  const int culprit = ranks->size() - 1;
  const Status mine = ranks->rank() == culprit ? Status(fail(ErrorCode::kStorage, "disk full")) : Status{};
  const Status all = ranks->agree(mine);
  ASSERT_FALSE(all);
  EXPECT_EQ(all.error().code, ErrorCode::kStorage);
  EXPECT_NE(all.error().message.find("disk full"), std::string::npos);
}

TEST(Collective, ShardsTileTheWhole) {
  for (const size_t count : {size_t{0}, size_t{1}, size_t{5}, size_t{1000}})
    for (const int size : {1, 2, 3, 7}) {
      size_t next = 0;
      for (int r = 0; r < size; ++r) {
        const Shard shard = shard_of(count, r, size);
        EXPECT_EQ(shard.begin, next);
        next = shard.end;
      }
      EXPECT_EQ(next, count);
    }
}

TEST(Collective, WithoutTheGpuLibraryNcclIsUnavailable) {
  NcclOptions options;
  options.library = "/nonexistent/libprosodia_cuda.so";
  const auto made = make_nccl_collective(single_rank_collective(), options);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(made.error().message.find("libprosodia_cuda.so"), std::string::npos);
}

// The real library opens, and its functions are found. With one rank and no GPU the device is what is missing; where
// there is a GPU the communicator must work.
TEST(Collective, TheGpuLibraryOpens) {
  const char* library = std::getenv("PROSODIA_CUDA_LIBRARY");
  if (!library || !*library) GTEST_SKIP() << "built without CUDA";
  NcclOptions options;
  options.library = library;
  const auto made = make_nccl_collective(single_rank_collective(), options);
  if (made) {
    EXPECT_TRUE((*made)->barrier());
  } else {
    EXPECT_EQ(made.error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(made.error().message.find("GPU library"), std::string::npos) << made.error().message;
  }
}

// Last (it leaves the group out of step): a rank that waits past its deadline is told so.
TEST(CollectiveZ, ADeadlineTurnsWaitingIntoAnError) {
  if (ranks->size() == 1) GTEST_SKIP() << "needs a rank that is late";
  auto impatient = make_mpi_collective({.deadline = std::chrono::hours(1)});
  ASSERT_TRUE(impatient);
  (*impatient)->set_deadline(std::chrono::milliseconds(50));
  if (ranks->rank() == 0) {
    const Status waited = (*impatient)->barrier();
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code, ErrorCode::kUnavailable);
    EXPECT_NE(waited.error().message.find("50 ms"), std::string::npos);
  } else {
    std::this_thread::sleep_for(std::chrono::milliseconds(150));
    (void)(*impatient)->barrier();
  }
  ASSERT_TRUE(ranks->barrier());
}

}  // namespace
}  // namespace prosodia

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  prosodia::MpiOptions options;
  options.window_floats = 100;  // many windows
  auto collective = prosodia::make_collective(options);
  if (!collective) {
    std::fprintf(stderr, "%s\n", collective.error().message.c_str());
    return 1;
  }
  prosodia::ranks = collective->get();
  if (const char* end = std::getenv("PROSODIA_TEST_LAST_RANK"); end && *end) {  // see CMakeLists.txt
    if (prosodia::ranks->rank() == prosodia::ranks->size() - 1) {
      if (std::string_view(end) == "kill") std::raise(SIGKILL);
      prosodia::ranks->abort(9, "asked to by the test");
    }
    std::vector<float> values(1000);
    (void)prosodia::ranks->all_reduce_sum(std::span(values));  // would wait forever
    return 0;
  }
  return RUN_ALL_TESTS();
}
