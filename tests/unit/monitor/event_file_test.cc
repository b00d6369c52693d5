#include "orchestrator/monitor/event_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "data/base/crc32c.h"
#include "data/store/testing/faulty_file_system.h"

namespace prosodia {
namespace {

using testing::ElementsAre;
using testing::Pair;

// What TensorBoard 2.21.0's own RecordWriter and protobuf classes make of the same events.
constexpr std::string_view kTensorBoardBytes =
    "1800000000000000a37f4b220900000000004a93401a0d627261696e2e4576656e743a3265b8d3fb0f000000000000006d53"
    "2b090900000000004a934010073a020801b743e2dd2800000000000000ff70164a0900000000004d934010ac022a1a0a090a"
    "026b6c150000003e0a0d0a06726577617264150000c03ff843d81f2f000000000000006d5d1d5009000000000050934010ad"
    "022a210a1f0a01744210080712041202080142062a2a68692a2a4a080a060a047465787497b60d4e56000000000000004e2d"
    "e2b209000000000050934010ad022a480a460a01682a41090000000000000040110000000000000040190000000000000840"
    "210000000000001840290000000000002840320800000000000000403a08000000000000084073ab3ca0";

std::string to_hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

TEST(EventFile, SameBytesAsTensorBoard) {
  FaultyFileSystem fs;
  auto file = EventFileWriter::create(fs, "run", {.wall_time = 1234.5, .first_step = 7}).value();
  ASSERT_TRUE(file->add_scalars(300, 1235.25, {{"kl", 0.125}, {"reward", 1.5}}));
  ASSERT_TRUE(file->add_text(301, 1236, "t", "**hi**"));
  ASSERT_TRUE(file->add_histogram(301, 1236, "h", std::vector<double>{2, 2, 2}));
  EXPECT_EQ(to_hex(fs.read_text(file->path()).value()), kTensorBoardBytes);
}

// tests/golden/monitor/tensorboard_events.py generate
TEST(EventFile, AudioHasTheSameBytesAsTensorBoard) {
  const char* source = std::getenv("PROSODIA_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  const auto expected =
      posix_file_system().read_text(std::filesystem::path(source) / "tests/golden/monitor/events.hex");
  ASSERT_TRUE(expected) << expected.error().message;
  FaultyFileSystem fs;
  auto file = EventFileWriter::create(fs, "run", {.wall_time = 1234.5, .first_step = 7}).value();
  const std::vector<float> clip = {0, 0.5, -0.5, 1, -1, 2, 0.25};
  ASSERT_TRUE(file->add_audio(301, 1236, "clip", clip, 16000));
  ASSERT_TRUE(file->add_audio(302, 1237, "clip", {}, 16000)) << "no event";
  EXPECT_EQ(to_hex(fs.read_text(file->path()).value()) + "\n", *expected);
}

// --- a decoder of its own: framing, then protobuf fields by number

struct Field {
  uint64_t number = 0;  // varints and fixed-size values as bits
  std::string bytes;    // length-delimited
  double real() const { return std::bit_cast<double>(number); }
  float real32() const { return std::bit_cast<float>(static_cast<uint32_t>(number)); }
};
using Fields = std::multimap<uint32_t, Field>;

class Decoder {
 public:
  explicit Decoder(std::string_view bytes) : rest_(bytes) {}
  Fields fields() {
    Fields found;
    while (!rest_.empty()) {
      const uint64_t key = varint();
      Field field;
      switch (key & 7) {
        case 0:
          field.number = varint();
          break;
        case 1:
          field.number = fixed(8);
          break;
        case 2:
          field.bytes = take(varint());
          break;
        case 5:
          field.number = fixed(4);
          break;
        default:
          ADD_FAILURE() << "wire type " << (key & 7);
      }
      found.emplace(static_cast<uint32_t>(key >> 3), field);
    }
    return found;
  }
  std::string take(size_t size) {
    EXPECT_LE(size, rest_.size());
    const std::string head(rest_.substr(0, size));
    rest_.remove_prefix(std::min(size, rest_.size()));
    return head;
  }
  uint64_t fixed(size_t size) {
    uint64_t value = 0;
    const std::string raw = take(size);
    std::memcpy(&value, raw.data(), raw.size());
    return value;
  }
  bool at_end() const { return rest_.empty(); }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
  }
  std::string_view rest_;
};

std::vector<Fields> read_events(FileSystem& fs, const std::filesystem::path& path) {
  const auto masked = [](std::string_view bytes) { return std::rotr(crc32c(as_byte_span(bytes)), 15) + 0xa282ead8u; };
  const std::string bytes = fs.read_text(path).value();
  Decoder records(bytes);
  std::vector<Fields> events;
  while (!records.at_end()) {
    const std::string length = records.take(8);
    EXPECT_EQ(records.fixed(4), masked(length));
    uint64_t size = 0;
    std::memcpy(&size, length.data(), 8);
    const std::string data = records.take(size);
    EXPECT_EQ(records.fixed(4), masked(data));
    events.push_back(Decoder(data).fields());
  }
  return events;
}

Fields sub(const Fields& fields, uint32_t number) { return Decoder(fields.find(number)->second.bytes).fields(); }

std::vector<double> doubles(const Field& field) {
  std::vector<double> values(field.bytes.size() / sizeof(double));
  std::memcpy(values.data(), field.bytes.data(), field.bytes.size());
  return values;
}

TEST(EventFile, DecodesToWhatWasWritten) {
  FaultyFileSystem fs;
  auto file = EventFileWriter::create(fs, "run", {.wall_time = 100.5, .first_step = 3}).value();
  ASSERT_TRUE(file->add_scalars(1000000, 101, {{"a/b", -2.5}, {"nan", std::nan("")}}));
  std::vector<double> values;
  for (int i = 0; i <= 60; ++i) values.push_back(i);
  values.push_back(std::nan(""));
  ASSERT_TRUE(file->add_histogram(5, 102, "lengths", values));
  const auto events = read_events(fs, file->path());
  ASSERT_EQ(events.size(), 4u);
  EXPECT_EQ(events[0].find(3)->second.bytes, "brain.Event:2");
  EXPECT_EQ(events[1].find(2)->second.number, 3u);
  EXPECT_EQ(sub(events[1], 7).find(1)->second.number, 1u);
  EXPECT_EQ(events[2].find(1)->second.real(), 101);
  EXPECT_EQ(events[2].find(2)->second.number, 1000000u);
  std::map<std::string, float> scalars;
  const Fields summary = sub(events[2], 5);
  for (auto [it, end] = summary.equal_range(1); it != end; ++it) {
    const Fields value = Decoder(it->second.bytes).fields();
    scalars[value.find(1)->second.bytes] = value.find(2)->second.real32();
  }
  EXPECT_THAT(scalars, ElementsAre(Pair("a/b", -2.5f), Pair("nan", testing::IsNan())));
  const Fields histogram = sub(sub(sub(events[3], 5), 1), 5);
  EXPECT_EQ(histogram.find(1)->second.real(), 0);
  EXPECT_EQ(histogram.find(2)->second.real(), 60);
  EXPECT_EQ(histogram.find(3)->second.real(), 61);
  EXPECT_EQ(histogram.find(4)->second.real(), 1830);
  const auto limits = doubles(histogram.find(6)->second), counts = doubles(histogram.find(7)->second);
  ASSERT_EQ(limits.size(), 30u);
  ASSERT_EQ(counts.size(), 30u);
  EXPECT_TRUE(std::is_sorted(limits.begin(), limits.end()));
  EXPECT_EQ(limits.back(), 60);
  EXPECT_EQ(counts.front(), 3);  // 0, 1, 2
  double sum = 0;
  for (const double count : counts) sum += count;
  EXPECT_EQ(sum, 61);
}

TEST(EventFile, ALaterStartHasALaterNameWhateverTheClockSays) {
  FaultyFileSystem fs;
  std::vector<std::string> names;
  for (const double now : {5000.0, 5000.0, 4000.0}) {
    EventFileOptions options{.host = "a/b", .process_id = 99 - names.size(), .wall_time = now};
    names.push_back(EventFileWriter::create(fs, "run", options).value()->path().filename());
  }
  EXPECT_THAT(names, ElementsAre("events.out.tfevents.0000005000.a_b.99.0", "events.out.tfevents.0000005001.a_b.98.0",
                                 "events.out.tfevents.0000005002.a_b.97.0"));
}

TEST(EventFile, AnEmptyHistogramIsNoEvent) {
  FaultyFileSystem fs;
  auto file = EventFileWriter::create(fs, "run", {}).value();
  const uint64_t before = fs.file_size(file->path()).value();
  ASSERT_TRUE(file->add_histogram(1, 1, "h", {}));
  ASSERT_TRUE(file->add_histogram(1, 1, "h", std::vector<double>{INFINITY}));
  EXPECT_EQ(fs.file_size(file->path()).value(), before);
}

}  // namespace
}  // namespace prosodia
