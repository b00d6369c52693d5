#include "data/store/safetensors.h"

#include <cerrno>
#include <cstring>

#include "data/store/testing/faulty_file_system.h"
#include "tests/unit/store/store_test_util.h"

namespace prosodia {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

template <class T>
std::vector<T> values(const TensorView& tensor) {
  std::vector<T> out(tensor.data.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), tensor.data.data(), tensor.data.size());
  return out;
}

TEST(Safetensors, ReadsWhatHuggingFaceWrote) {
  const auto opened = SafetensorsFile::open(golden_dir() / "all_dtypes.safetensors");
  ASSERT_TRUE(opened) << opened.error().message;
  const SafetensorsFile& file = **opened;
  EXPECT_EQ(file.tensors().size(), 14u);
  EXPECT_THAT(file.metadata(), ElementsAre(testing::Pair("format", "pt")));
  EXPECT_THAT(values<double>(*file.find("z.f64")), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(values<int64_t>(*file.find("a.i64")), ElementsAre(0, 1, 2));
  EXPECT_THAT(values<int32_t>(*file.find("i32")), ElementsAre(0, 1));
  EXPECT_THAT(values<int16_t>(*file.find("i16")), ElementsAre(0, 1, 2));
  EXPECT_THAT(values<int8_t>(*file.find("i8")), ElementsAre(0, -1, -2));
  EXPECT_THAT(values<uint8_t>(*file.find("bool")), ElementsAre(0, 1, 1));
  EXPECT_THAT(file.find("model.layers.10.weight")->shape, ElementsAre(2, 3));
  EXPECT_FLOAT_EQ(values<float>(*file.find("model.layers.10.weight"))[5], 5.0f / 7);
  EXPECT_EQ(file.find("brain")->dtype, DType::BF16);
  EXPECT_EQ(file.find("half")->dtype, DType::F16);
  EXPECT_TRUE(file.find("scalar")->shape.empty());
  EXPECT_THAT(file.find("empty")->shape, ElementsAre(0, 4));
  EXPECT_TRUE(file.find("empty")->data.empty());
  EXPECT_NE(file.find("naïve \"quoted\"\n"), nullptr);
  EXPECT_EQ(file.find("nothing"), nullptr);
}

TEST(Safetensors, WritesTheSameBytesAsHuggingFace) {
  TempDir temp;
  for (const char* name : {"all_dtypes.safetensors", "no_tensors.safetensors"}) {
    const auto file = SafetensorsFile::open(golden_dir() / name).value();
    auto shuffled = file->tensors();
    std::reverse(shuffled.begin(), shuffled.end());
    ASSERT_TRUE(write_safetensors(posix_file_system(), temp / name, shuffled, file->metadata()));
    EXPECT_EQ(posix_file_system().read_text(temp / name).value(),
              posix_file_system().read_text(golden_dir() / name).value());
  }
}

TEST(Safetensors, TheMappingOutlivesTheFile) {
  TempDir temp;
  const std::vector<float> data = {1, 2, 3};
  const TensorView view{"w", DType::F32, {3}, std::as_bytes(std::span(data))};
  ASSERT_TRUE(write_safetensors(posix_file_system(), temp / "m", {&view, 1}, {}));
  const auto file = SafetensorsFile::open(temp / "m").value();
  ASSERT_TRUE(posix_file_system().remove(temp / "m"));
  EXPECT_THAT(values<float>(*file->find("w")), ElementsAre(1, 2, 3));
}

std::vector<std::byte> file_bytes(std::string_view header, size_t buffer_bytes) {
  const uint64_t length = header.size();
  std::string text(reinterpret_cast<const char*>(&length), sizeof(length));
  text += header;
  text.append(buffer_bytes, '\1');
  return to_bytes(text);
}

struct Malformed {
  const char* header;
  size_t buffer_bytes;
  const char* message;
};

TEST(Safetensors, RefusesMalformedHeaders) {
  const std::string deep = "{\"a\":" + std::string(100000, '[');
  const std::string deep_objects = [] {
    std::string text = "{\"a\":";
    for (int i = 0; i < 50000; ++i) text += "{\"a\":";
    return text;
  }();
  const std::string long_name =
      "{\"" + std::string(5000, 'n') + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  const std::string high_rank =
      R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})";
  const Malformed kCases[] = {
      {"", 0, "begin with '{'"},
      {" {}", 0, "begin with '{'"},
      {"[]", 0, "begin with '{'"},
      {"{", 0, "not valid JSON"},
      {"{}x", 0, "not valid JSON"},
      {"{\"a\xff\":1}", 0, "not valid JSON"},
      {R"({"a":1})", 0, "\"a\": a number where none belongs"},
      {R"({"a":null})", 0, "null"},
      {R"({"a":[]})", 0, "an array where none belongs"},
      {R"({"a":{}})", 0, "needs dtype"},
      {R"({"a":{"dtype":"F32","shape":[1]}})", 4, "needs dtype, shape and data_offsets"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4, "data_offsets [begin, end]"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}})", 4, "a number where none belongs"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}})", 4, "unknown field \"x\""},
      {R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4, "\"dtype\" appears twice"},
      {R"({"a":{"dtype":4,"shape":[1],"data_offsets":[0,4]}})", 4, "a number where none belongs"},
      {R"({"a":{"dtype":"F32","shape":"1","data_offsets":[0,4]}})", 4, "a string where none belongs"},
      {R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4, "negative number -1"},
      {R"({"a":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}})", 4, "an integer was expected"},
      {R"({"a":{"dtype":"F32","shape":[[1]],"data_offsets":[0,4]}})", 4, "an array where none belongs"},
      {R"({"a":{"dtype":"F32","shape":[{"b":1}],"data_offsets":[0,4]}})", 4, "an object where none belongs"},
      {R"({"a":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", 1, "dtype \"F8_E4M3\"; supported: F64"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4, "shape [2] of F32 does not make its 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 4, "outside the buffer"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 4, "outside the buffer of 4 bytes"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8, "gap or overlap"},
      {R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 5, "1 bytes after the last tensor"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, "gap or overlap"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
       2, "\"a\": appears twice"},
      {R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"b":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})",
       4, "gap or overlap"},
      {R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0, "does not make"},
      {R"({"a":{"dtype":"F64","shape":[2305843009213693952],"data_offsets":[0,0]}})", 0, "does not make"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,0]}})", 0, "over 2^63"},
      {R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,99999999999999999999999]}})", 0, "an integer was expected"},
      {R"({"__metadata__":{"a":1}})", 0, "a number where none belongs"},
      {R"({"__metadata__":{"a":{}}})", 0, "an object where none belongs"},
      {R"({"__metadata__":{"a":"1","a":"2"}})", 0, "key \"a\" appears twice"},
      {R"({"__metadata__":{},"__metadata__":{}})", 0, "appears twice"},
      {R"({"__metadata__":"x"})", 0, "a string where none belongs"},
      {deep.c_str(), 0, "an array where none belongs"},
      {deep_objects.c_str(), 0, ""},
      {long_name.c_str(), 1, "a name of 5000 bytes"},
      {high_rank.c_str(), 1, "more than 16 dimensions"},
  };
  for (const Malformed& example : kCases) {
    const auto result = SafetensorsFile::parse(file_bytes(example.header, example.buffer_bytes), "bad.safetensors");
    ASSERT_FALSE(result) << example.header;
    EXPECT_EQ(result.error().code, ErrorCode::kInvalidInput);
    EXPECT_THAT(result.error().message, AllOf(HasSubstr("bad.safetensors"), HasSubstr(example.message)));
  }
}

TEST(Safetensors, RefusesImpossibleLengths) {
  for (const uint64_t length : {uint64_t{3}, uint64_t{100'000'001}, UINT64_MAX, UINT64_MAX - 7}) {
    auto bytes = file_bytes("{}", 0);
    std::memcpy(bytes.data(), &length, sizeof(length));
    EXPECT_THAT(SafetensorsFile::parse(bytes, "f").error().message, HasSubstr("announced")) << length;
  }
  EXPECT_THAT(SafetensorsFile::parse(to_bytes("1234567"), "f").error().message, HasSubstr("too few"));
  EXPECT_THAT(SafetensorsFile::parse({}, "f").error().message, HasSubstr("too few"));
  TempDir temp;
  ASSERT_TRUE(write_safetensors(posix_file_system(), temp / "f", {}, {}));
  ASSERT_TRUE(posix_file_system().truncate(temp / "f", 0));
  EXPECT_THAT(SafetensorsFile::open(temp / "f").error().message, HasSubstr("too few"));
  EXPECT_THAT(SafetensorsFile::open(temp / "none").error().message, HasSubstr("no such file"));
  EXPECT_EQ(SafetensorsFile::open(temp.path()).error().code, ErrorCode::kInvalidInput);
}

TEST(Safetensors, LegalOddities) {
  const auto spaced = SafetensorsFile::parse(
      file_bytes("{ \"a\" : {\"shape\":[],\"data_offsets\":[0,1],\"dtype\":\"BOOL\"} }      ", 1), "f");
  ASSERT_TRUE(spaced) << spaced.error().message;
  EXPECT_TRUE((*spaced)->find("a")->shape.empty());
  // Two empty tensors and a full one may share an offset.
  const auto shared = SafetensorsFile::parse(
      file_bytes(
          R"({"w":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"e":{"dtype":"F64","shape":[0],"data_offsets":[0,0]},)"
          R"("f":{"dtype":"I8","shape":[3,0],"data_offsets":[2,2]}})",
          2),
      "f");
  ASSERT_TRUE(shared) << shared.error().message;
}

// Under ASan: no read outside the bytes, whatever is in them.
TEST(Safetensors, NoFlippedBitOrCutCrashes) {
  const auto original = posix_file_system().read_file(golden_dir() / "all_dtypes.safetensors").value();
  size_t accepted = 0;
  for (size_t byte = 0; byte < original.size(); ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      auto damaged = original;
      damaged[byte] ^= std::byte(1 << bit);
      const auto result = SafetensorsFile::parse(std::move(damaged), "f");
      if (!result) continue;
      ++accepted;
      for (const TensorView& tensor : (*result)->tensors())
        EXPECT_EQ(*num_elements(tensor.shape) * size_of(tensor.dtype), tensor.data.size());
    }
    EXPECT_FALSE(SafetensorsFile::parse({original.begin(), original.begin() + static_cast<std::ptrdiff_t>(byte)}, "f"));
  }
  EXPECT_GE(accepted, 155u * 8) << "flips in the data cannot be seen";
}

TEST(Safetensors, AFullDiskLeavesTheOldFile) {
  FaultyFileSystem fs;
  const std::vector<float> data(100);
  const TensorView view{"w", DType::F32, {100}, std::as_bytes(std::span(data))};
  ASSERT_TRUE(write_safetensors(fs, "m.safetensors", {&view, 1}, {{"version", "1"}}));
  const std::string before = fs.read_text("m.safetensors").value();
  fs.fail_call(fs.calls() + 4, ENOSPC);
  const auto full = write_safetensors(fs, "m.safetensors", {&view, 1}, {{"version", "2"}});
  ASSERT_FALSE(full);
  EXPECT_EQ(exit_code(full.error().code), 5);
  EXPECT_THAT(full.error().message, AllOf(HasSubstr("m.safetensors"), HasSubstr("free space")));
  EXPECT_EQ(fs.read_text("m.safetensors").value(), before);
  EXPECT_EQ(fs.list_dir("").value().size(), 1u);
}

}  // namespace
}  // namespace prosodia
