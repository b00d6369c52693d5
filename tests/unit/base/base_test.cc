#include <gtest/gtest.h>

#include <string>

#include "data/base/bytes.h"
#include "data/base/crc32c.h"
#include "data/base/digest.h"
#include "data/base/exit_code.h"
#include "data/base/ids.h"
#include "data/base/markup.h"
#include "data/base/number.h"
#include "data/base/philox.h"
#include "data/base/status.h"

namespace prosodia {
namespace {

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

// Known answers from the reference implementation's kat_vectors (Random123).
TEST(Philox, MatchesReferenceVectors) {
  EXPECT_EQ(philox4x32(0, PhiloxBlock{}), (PhiloxBlock{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32(0xffffffffffffffff, PhiloxBlock{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}),
            (PhiloxBlock{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32(0x299f31d0a4093822, PhiloxBlock{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}),
            (PhiloxBlock{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, StreamMomentsAndBounds) {
  PhiloxStream stream(7);
  double sum = 0, square = 0;
  constexpr int kDraws = 200000;
  for (int i = 0; i < kDraws; ++i) {
    const float value = stream.next_normal();
    sum += value;
    square += double{value} * value;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 0.01);
  EXPECT_NEAR(square / kDraws, 1.0, 0.02);
  for (int i = 0; i < 1000; ++i) EXPECT_LT(stream.next_below(3), 3u);
  EXPECT_GT(unit_float(0), 0.0f);
  EXPECT_LT(unit_float(0xffffffff), 1.0f);
}

TEST(Crc32c, MatchesRfc3720) {
  EXPECT_EQ(crc32c(bytes_of("123456789")), 0xE3069283u);
  EXPECT_EQ(crc32c(bytes_of(std::string(32, '\0'))), 0x8A9136AAu);
  EXPECT_EQ(crc32c(bytes_of("6789"), crc32c(bytes_of("12345"))), 0xE3069283u);
}

TEST(Digest, MatchesBlake2bAndRoundTrips) {
  DigestBuilder builder;
  const Digest empty = builder.finish();
  EXPECT_EQ(empty.hex(), "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
  EXPECT_EQ(Digest::from_hex(empty.hex()), empty);
  EXPECT_NE(DigestBuilder().add(std::string_view("ab")).add(std::string_view("c")).finish(),
            DigestBuilder().add(std::string_view("a")).add(std::string_view("bc")).finish());
}

TEST(Bytes, RoundTripAndTruncationStaysFailed) {
  ByteWriter writer;
  writer.put<uint32_t>(7);
  writer.put_string("héllo");
  const std::vector<float> values = {1.5f, -2.0f};
  writer.put_array<float>(values);
  const auto bytes = writer.take();
  ByteReader reader(bytes);
  EXPECT_EQ(reader.get<uint32_t>(), 7u);
  EXPECT_EQ(reader.get_string(), "héllo");
  EXPECT_EQ(reader.get_array<float>(), values);
  EXPECT_TRUE(reader.at_end());
  for (size_t size = 0; size < bytes.size(); ++size) {
    ByteReader cut{std::span<const std::byte>(bytes).first(size)};
    cut.get<uint32_t>();
    cut.get_string();
    cut.get_array<float>();
    EXPECT_FALSE(cut.ok()) << size;
    EXPECT_EQ(cut.get<uint64_t>(), 0u);
  }
}

TEST(Status, CarriesMessageAndExitCode) {
  const auto inner = []() -> Result<int> { return fail(ErrorCode::kInvalidInput, "{}:{}: bad", "a.jsonl", 3); };
  const auto outer = [&]() -> Status {
    PROSODIA_ASSIGN(const int value, inner());
    (void)value;
    return {};
  };
  const Status status = outer();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message, "a.jsonl:3: bad");
  EXPECT_EQ(exit_code(status.error().code), 3);
}

TEST(Status, ExitCodesComeBackAsErrors) {
  EXPECT_EQ(error_code_of_exit(0), std::nullopt);
  for (const ErrorCode code : {ErrorCode::kUsage, ErrorCode::kInvalidInput, ErrorCode::kUnavailable,
                               ErrorCode::kStorage, ErrorCode::kInterrupted}) {
    EXPECT_EQ(error_code_of_exit(exit_code(code)), code) << name(code);
  }
  EXPECT_EQ(error_code_of_exit(exit_code(ErrorCode::kCorruption)), ErrorCode::kStorage);
  EXPECT_EQ(error_code_of_exit(137), ErrorCode::kUnavailable);
}

TEST(Number, IsTheWholeTextOrNothing) {
  EXPECT_EQ(parse_number("-2.5e-3"), -2.5e-3);
  for (const char* bad : {"", " 1", "1 ", "1x", "nan", "inf", "1e999", "0x10", "--1"})
    EXPECT_FALSE(parse_number(bad)) << bad;
  EXPECT_EQ(parse_integer("-12"), -12);
  EXPECT_EQ(parse_integer<uint64_t>("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "1.5", "12a", "9223372036854775808"}) EXPECT_FALSE(parse_integer(bad)) << bad;
  EXPECT_FALSE(parse_integer<uint64_t>("-1"));
}

TEST(Markup, EscapesWhatHtmlAndAttributesNeed) {
  EXPECT_EQ(escape_markup("<a href=\"x\">Tom & 'Jerry'</a>"),
            "&lt;a href=&quot;x&quot;&gt;Tom &amp; &#39;Jerry&#39;&lt;/a&gt;");
  EXPECT_EQ(escape_markup("ä 100 %"), "ä 100 %");
}

TEST(Ids, AreDistinctTypesAndPrint) {
  static_assert(!std::is_convertible_v<StepId, GroupId>);
  EXPECT_EQ(fmt::format("{}", StepId{12}), "12");
}

}  // namespace
}  // namespace prosodia
