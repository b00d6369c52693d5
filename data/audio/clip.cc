#include "data/audio/clip.h"

#include <fmt/format.h>
#include <sndfile.h>
#include <soxr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>

#include "data/audio/wav_truncation.h"

namespace prosodia {
namespace {

constexpr int kMinRateHz = 1000, kMaxRateHz = 768000;
constexpr uintmax_t kMaxFileBytes = uintmax_t{4} << 30;
constexpr sf_count_t kBlockFrames = 4096;
constexpr double kMaxSamples = 1 << 27;  // half a gigabyte: an hour up to 37 kHz, less of it at higher rates
constexpr float kMaxAmplitude = 1e6f;    // beyond any float file; keeps sums over channels and filters finite

struct CloseSoundFile {
  void operator()(SNDFILE* file) const { sf_close(file); }
};
using SoundFile = std::unique_ptr<SNDFILE, CloseSoundFile>;

// libsndfile's view of a file in memory.
struct MemoryReader {
  std::span<const std::byte> bytes;
  sf_count_t position = 0;

  static MemoryReader& of(void* self) { return *static_cast<MemoryReader*>(self); }
  static sf_count_t length(void* self) { return static_cast<sf_count_t>(of(self).bytes.size()); }
  static sf_count_t tell(void* self) { return of(self).position; }
  static sf_count_t seek(sf_count_t offset, int whence, void* self) {
    const sf_count_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? of(self).position : length(self);
    // Hostile headers ask for positions outside the file; libsndfile copes with a clamped one.
    return of(self).position = std::clamp<sf_count_t>(base + offset, 0, length(self));
  }
  static sf_count_t read(void* destination, sf_count_t count, void* self) {
    MemoryReader& reader = of(self);
    count = std::clamp<sf_count_t>(count, 0, length(self) - reader.position);
    std::memcpy(destination, reader.bytes.data() + reader.position, static_cast<size_t>(count));
    reader.position += count;
    return count;
  }
  static sf_count_t write(const void*, sf_count_t, void*) { return 0; }
};

Status check_format(const SF_INFO& info, std::string_view name) {
  if (info.channels < 1 || info.channels > kMaxChannels) {
    return fail(ErrorCode::kInvalidInput, "{}: {} channels; expected 1 to {}", name, info.channels, kMaxChannels);
  }
  if (info.samplerate < kMinRateHz || info.samplerate > kMaxRateHz) {
    return fail(ErrorCode::kInvalidInput, "{}: sample rate {} Hz; expected {} to {} Hz", name, info.samplerate,
                kMinRateHz, kMaxRateHz);
  }
  return {};
}

// Reads everything in blocks, because the frame count of a header is a claim, and averages the channels.
Result<std::vector<float>> read_mono(SNDFILE* file, const SF_INFO& info, std::string_view name) {
  const auto channels = static_cast<size_t>(info.channels);
  const auto max_samples = static_cast<size_t>(std::min(kMaxClipSeconds * info.samplerate, kMaxSamples));
  std::vector<float> block(kBlockFrames * channels), mono;
  for (sf_count_t got; (got = sf_readf_float(file, block.data(), kBlockFrames)) > 0;) {
    for (size_t frame = 0; frame < static_cast<size_t>(got); ++frame) {
      float sum = 0.0f;
      for (size_t channel = 0; channel < channels; ++channel) sum += block[frame * channels + channel];
      const float sample = sum / static_cast<float>(channels);
      if (!(std::abs(sample) <= kMaxAmplitude)) {
        return fail(ErrorCode::kInvalidInput,
                    "{}: sample {} is NaN, infinite or beyond {} times full scale; repair or remove the file", name,
                    mono.size(), kMaxAmplitude);
      }
      mono.push_back(sample);
    }
    if (mono.size() > max_samples) {
      return fail(ErrorCode::kInvalidInput, "{}: longer than {:.0f} s; cut it into utterances", name,
                  static_cast<double>(max_samples) / info.samplerate);
    }
  }
  if (sf_error(file) != SF_ERR_NO_ERROR) {
    return fail(ErrorCode::kInvalidInput, "{}: damaged after {} samples: {}", name, mono.size(), sf_strerror(file));
  }
  // MPEG streams may only estimate their length.
  const bool exact_length = (info.format & SF_FORMAT_TYPEMASK) != SF_FORMAT_MPEG;
  if (exact_length && info.frames != SF_COUNT_MAX && static_cast<sf_count_t>(mono.size()) < info.frames) {
    return fail(ErrorCode::kInvalidInput, "{}: truncated: {} of {} samples are readable; copy the file again", name,
                mono.size(), info.frames);
  }
  if (mono.empty()) return fail(ErrorCode::kInvalidInput, "{}: holds no samples", name);
  return mono;
}

}  // namespace

Result<AudioClip> decode_audio(std::span<const std::byte> bytes, std::string_view name) {
  if (bytes.empty()) return fail(ErrorCode::kInvalidInput, "{}: empty file; expected WAV, FLAC, OGG or MP3", name);
  if (const auto cut = find_truncated_chunk(bytes)) {
    return fail(ErrorCode::kInvalidInput, "{}: truncated: {} of {} bytes of sound data are there; copy the file again",
                name, cut->present_bytes, cut->declared_bytes);
  }
  SF_VIRTUAL_IO io{MemoryReader::length, MemoryReader::seek, MemoryReader::read, MemoryReader::write,
                   MemoryReader::tell};
  MemoryReader reader{bytes};
  SF_INFO info{};
  const SoundFile file(sf_open_virtual(&io, SFM_READ, &info, &reader));
  if (!file) {
    return fail(ErrorCode::kInvalidInput, "{}: not a readable sound file ({}); expected WAV, FLAC, OGG or MP3", name,
                sf_strerror(nullptr));
  }
  PROSODIA_TRY(check_format(info, name));
  AudioClip clip;
  clip.sample_rate_hz = info.samplerate;
  PROSODIA_ASSIGN(clip.samples, read_mono(file.get(), info, name));
  if (clip.sample_rate_hz == kSpeechRateHz) return clip;
  return resample(clip, kSpeechRateHz);
}

Result<AudioClip> read_audio_file(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status)) {
    return fail(ErrorCode::kInvalidInput, "{}: no such audio file; check the path in the dataset", path.string());
  }
  if (!std::filesystem::is_regular_file(status)) {
    return fail(ErrorCode::kInvalidInput, "{}: not a regular file; expected a sound file", path.string());
  }
  const uintmax_t size = std::filesystem::file_size(path, error);
  if (!error && size > kMaxFileBytes) {
    return fail(ErrorCode::kInvalidInput, "{}: {} bytes; expected an utterance, not a recording of hours",
                path.string(), size);
  }
  std::vector<std::byte> bytes(error ? 0 : size);
  std::ifstream stream(path, std::ios::binary);
  if (error || !stream || !stream.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size))) {
    return fail(ErrorCode::kInvalidInput, "{}: cannot read: {}", path.string(),
                error ? error.message() : std::strerror(errno));
  }
  return decode_audio(bytes, path.string());
}

Result<AudioClip> resample(const AudioClip& clip, int rate_hz) {
  if (clip.sample_rate_hz < kMinRateHz || clip.sample_rate_hz > kMaxRateHz || rate_hz < kMinRateHz ||
      rate_hz > kMaxRateHz) {
    return fail(ErrorCode::kInvalidInput, "cannot resample from {} to {} Hz; expected {} to {} Hz", clip.sample_rate_hz,
                rate_hz, kMinRateHz, kMaxRateHz);
  }
  if (clip.sample_rate_hz == rate_hz || clip.samples.empty()) return AudioClip{clip.samples, rate_hz};

  // In double, as librosa, whose lengths are to be met exactly.
  const double ratio = static_cast<double>(rate_hz) / clip.sample_rate_hz;
  const auto wanted = static_cast<size_t>(std::ceil(static_cast<double>(clip.samples.size()) * ratio));
  AudioClip result{std::vector<float>(wanted + 1), rate_hz};
  const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_HQ, 0);
  size_t written = 0;
  const soxr_error_t error =
      soxr_oneshot(clip.sample_rate_hz, rate_hz, 1, clip.samples.data(), clip.samples.size(), nullptr,
                   result.samples.data(), result.samples.size(), &written, nullptr, &quality, nullptr);
  if (error != nullptr) {
    return fail(ErrorCode::kInternal, "soxr failed from {} to {} Hz: {}", clip.sample_rate_hz, rate_hz, error);
  }
  result.samples.resize(std::min(written, wanted));
  result.samples.resize(wanted, 0.0f);
  return result;
}

std::vector<int16_t> to_pcm16(std::span<const float> samples) {
  std::vector<int16_t> pcm(samples.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    pcm[i] = static_cast<int16_t>(std::clamp(std::lround(samples[i] * 32768.0f), -32768L, 32767L));
  }
  return pcm;
}

Status write_wav(const std::filesystem::path& path, const AudioClip& clip, WavEncoding encoding) {
  std::filesystem::path temporary = path;
  temporary += fmt::format(".{}.tmp", ::getpid());
  const auto failed = [&](const std::string& why) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    return fail(ErrorCode::kStorage, "{}: cannot write: {}; check the folder, its permissions and the free space",
                path.string(), why);
  };
  SF_INFO info{};
  info.channels = 1;
  info.samplerate = clip.sample_rate_hz;
  info.format = SF_FORMAT_WAV | (encoding == WavEncoding::kPcm16 ? SF_FORMAT_PCM_16 : SF_FORMAT_FLOAT);
  SoundFile file(sf_open(temporary.c_str(), SFM_WRITE, &info));
  if (!file) return failed(sf_strerror(nullptr));
  sf_command(file.get(), SFC_SET_CLIPPING, nullptr, SF_TRUE);         // clip, not wrap
  sf_command(file.get(), SFC_SET_ADD_PEAK_CHUNK, nullptr, SF_FALSE);  // it holds the time of day
  const auto count = static_cast<sf_count_t>(clip.samples.size());
  if (sf_write_float(file.get(), clip.samples.data(), count) != count) return failed(sf_strerror(file.get()));
  if (sf_close(file.release()) != SF_ERR_NO_ERROR) return failed("closing failed");
  std::error_code error;
  std::filesystem::rename(temporary, path, error);
  if (error) return failed(error.message());
  return {};
}

}  // namespace prosodia
