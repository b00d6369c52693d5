#include "orchestrator/coordinator/archive.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "data/store/hdf5_file.h"
#include "tests/unit/coordinator/archived_steps.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using testing_support::batches;

fs::path fresh_dir(const std::string& name) {
  const fs::path dir = fs::path(::testing::TempDir()) / name;
  fs::remove_all(dir);
  return dir;
}

TEST(Archive, SegmentsComeBackBitForBit) {
  const fs::path dir = fresh_dir("archive_round_trip");
  const auto written = batches(0, 3);
  ASSERT_TRUE(write_segment(posix_file_system(), dir, written));
  ASSERT_TRUE(write_segment(posix_file_system(), dir, batches(3, 2)));
  const auto segments = list_segments(posix_file_system(), dir);
  ASSERT_TRUE(segments);
  ASSERT_EQ(segments->size(), 2u);
  EXPECT_EQ(archived_before(*segments, 0), 5u);
  const auto read = read_segment(segments->at(0).path);
  ASSERT_TRUE(read) << read.error().message;
  ASSERT_EQ(read->size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(protocol::encode(read->at(i).batch), protocol::encode(written[i].batch));
    EXPECT_EQ(read->at(i).loss, written[i].loss);
    EXPECT_EQ(read->at(i).weights, written[i].weights);
  }
}

TEST(Archive, GapsOtherFilesAndLeftoversDoNotCount) {
  const fs::path dir = fresh_dir("archive_gaps");
  ASSERT_TRUE(write_segment(posix_file_system(), dir, batches(0, 2)));
  ASSERT_TRUE(write_segment(posix_file_system(), dir, batches(5, 1)));
  std::ofstream(dir / ".step-000002-000004.h5.tmp") << "torn";
  std::ofstream(dir / "notes.txt") << "x";
  const auto segments = list_segments(posix_file_system(), dir);
  ASSERT_TRUE(segments);
  EXPECT_EQ(segments->size(), 2u);
  EXPECT_EQ(archived_before(*segments, 0), 2u);
  EXPECT_EQ(archived_before(*segments, 5), 6u);  // the first five were dropped
  EXPECT_TRUE(list_segments(posix_file_system(), dir / "missing")->empty());
}

TEST(Archive, DamagedAndForeignFilesAreErrors) {
  const fs::path dir = fresh_dir("archive_damage");
  ASSERT_TRUE(write_segment(posix_file_system(), dir, batches(0, 1)));
  const fs::path file = list_segments(posix_file_system(), dir)->at(0).path;
  fs::resize_file(file, fs::file_size(file) / 2);
  EXPECT_FALSE(read_segment(file));
  std::ofstream(file) << "this is no HDF5 file";
  EXPECT_EQ(read_segment(file).error().code, ErrorCode::kInvalidInput);
  {
    const auto guard = hdf5::lock();
    auto foreign = hdf5::create_file(file.string());
    ASSERT_TRUE(foreign);
    ASSERT_TRUE(hdf5::write_table(*foreign, "/format", std::vector<uint64_t>{2}, 1));
    ASSERT_TRUE(foreign->close());
  }
  const auto refused = read_segment(file);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("/step/step"), std::string::npos);
}

TEST(Archive, UnwritableFolderIsAStorageError) {
  const auto status = write_segment(posix_file_system(), "/proc/no/such/place", batches(0, 1));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kStorage);
}

}  // namespace
}  // namespace prosodia
