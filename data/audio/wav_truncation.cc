#include "data/audio/wav_truncation.h"

#include <string_view>

namespace prosodia {
namespace {

constexpr uint64_t kUnknownLength = 0x7FFFF000;  // sox writes this and more to a pipe, ffmpeg 0xFFFFFFFF

uint32_t read_u32(std::span<const std::byte> bytes, bool big_endian) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= std::to_integer<uint32_t>(bytes[i]) << (8 * (big_endian ? 3 - i : i));
  }
  return value;
}

}  // namespace

std::optional<TruncatedChunk> find_truncated_chunk(std::span<const std::byte> file) {
  if (file.size() < 12) return std::nullopt;
  const auto tag = [&](size_t at) { return std::string_view(reinterpret_cast<const char*>(file.data()) + at, 4); };
  const bool wav = (tag(0) == "RIFF" || tag(0) == "RIFX") && tag(8) == "WAVE";
  const bool aiff = tag(0) == "FORM" && (tag(8) == "AIFF" || tag(8) == "AIFC");
  if (!wav && !aiff) return std::nullopt;
  const bool big_endian = aiff || tag(0) == "RIFX";
  const std::string_view sound_tag = wav ? "data" : "SSND";

  for (uint64_t at = 12; at + 8 <= file.size();) {
    const uint64_t declared = read_u32(file.subspan(at + 4), big_endian);
    const uint64_t present = file.size() - (at + 8);
    if (tag(at) == sound_tag) {
      if (declared <= present || declared >= kUnknownLength) return std::nullopt;
      return TruncatedChunk{declared, present};
    }
    at += 8 + declared + (declared & 1);  // chunks are padded to even lengths
  }
  return std::nullopt;
}

}  // namespace prosodia
