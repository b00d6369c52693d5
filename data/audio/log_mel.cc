#include "data/audio/log_mel.h"

#include <algorithm>
#include <cmath>
#include <complex>
#include <kissfft.hh>
#include <numbers>

#include "data/base/check.h"

namespace prosodia {
namespace {

// Slaney's mel scale: linear below 1 kHz, logarithmic above.
constexpr double kMinLogHz = 1000.0, kMinLogMel = 15.0;
double log_step() { return std::log(6.4) / 27.0; }
double hz_to_mel(double hz) {
  return hz < kMinLogHz ? 3.0 * hz / 200.0 : kMinLogMel + std::log(hz / kMinLogHz) / log_step();
}
double mel_to_hz(double mel) {
  return mel < kMinLogMel ? 200.0 * mel / 3.0 : kMinLogHz * std::exp(log_step() * (mel - kMinLogMel));
}

// kissfft keeps mutable scratch for radices above 5, which would break thread safety.
bool is_5_smooth(int n) {
  for (const int factor : {2, 3, 5}) {
    while (n % factor == 0) n /= factor;
  }
  return n == 1;
}

// The non-zero stretch of one row of the filter bank.
struct MelFilter {
  int first_bin = 0;
  std::vector<float> weights;
};

}  // namespace

std::vector<float> mel_filter_bank(const LogMelOptions& options) {
  const int num_bins = options.n_fft / 2 + 1;
  const double nyquist = options.sampling_rate_hz / 2.0;
  std::vector<double> corners_hz(static_cast<size_t>(options.num_mel_bins) + 2);
  for (size_t i = 0; i < corners_hz.size(); ++i) {
    corners_hz[i] = mel_to_hz(hz_to_mel(nyquist) * static_cast<double>(i) / (options.num_mel_bins + 1));
  }
  std::vector<float> filters(static_cast<size_t>(options.num_mel_bins) * num_bins);
  for (int mel = 0; mel < options.num_mel_bins; ++mel) {
    const double low = corners_hz[mel], peak = corners_hz[mel + 1], high = corners_hz[mel + 2];
    for (int bin = 0; bin < num_bins; ++bin) {
      const double hz = nyquist * bin / (num_bins - 1);
      const double triangle = std::max(0.0, std::min((hz - low) / (peak - low), (high - hz) / (high - peak)));
      filters[static_cast<size_t>(mel) * num_bins + bin] = static_cast<float>(triangle * 2.0 / (high - low));
    }
  }
  return filters;
}

int64_t num_mel_frames(int64_t num_samples, const LogMelOptions& options) {
  const int64_t max_frames = int64_t{options.chunk_length_s} * options.sampling_rate_hz / options.hop_length;
  return std::min((num_samples + options.hop_length - 1) / options.hop_length, max_frames);
}

int64_t num_audio_tokens(int64_t num_frames) {
  if (num_frames < 1) return 0;
  const int64_t conv_frames = (num_frames - 1) / 2 + 1;
  return conv_frames / 2;
}

struct LogMelExtractor::Plan {
  LogMelOptions options;
  std::vector<double> window;  // periodic Hann
  std::vector<MelFilter> filters;
  kissfft<double> fft;  // complex transform of half the length; const use is thread-safe

  explicit Plan(const LogMelOptions& o) : options(o), fft(static_cast<std::size_t>(o.n_fft) / 2, false) {
    PROSODIA_CHECK(o.num_mel_bins > 0 && o.hop_length > 0 && o.chunk_length_s > 0 && o.sampling_rate_hz > 0);
    PROSODIA_CHECK(o.n_fft > 0 && o.n_fft % 2 == 0 && is_5_smooth(o.n_fft), "n_fft {}", o.n_fft);
    for (int j = 0; j < o.n_fft; ++j) {
      window.push_back(0.5 - 0.5 * std::cos(2.0 * std::numbers::pi * j / o.n_fft));
    }
    const std::vector<float> dense = mel_filter_bank(o);
    const int num_bins = o.n_fft / 2 + 1;
    for (int mel = 0; mel < o.num_mel_bins; ++mel) {
      const float* row = dense.data() + static_cast<size_t>(mel) * num_bins;
      const float* end = row + num_bins;
      const float* first = std::find_if(row, end, [](float w) { return w != 0.0f; });
      const float* last = std::find_if(std::reverse_iterator(end), std::reverse_iterator(first), [](float w) {
                            return w != 0.0f;
                          }).base();
      filters.push_back({static_cast<int>(first - row), std::vector<float>(first, last)});
    }
  }

  int64_t buffer_samples() const { return int64_t{options.chunk_length_s} * options.sampling_rate_hz; }

  // Fills `frame` with the windowed samples around t · hop, reflecting at the ends of the zero-padded buffer.
  void window_frame(std::span<const float> samples, int64_t t, std::vector<double>& frame) const {
    const int64_t begin = t * options.hop_length - options.n_fft / 2;
    const int64_t size = std::ssize(samples), buffer = buffer_samples();
    if (begin >= 0 && begin + options.n_fft <= size) {
      for (int j = 0; j < options.n_fft; ++j) frame[j] = window[j] * samples[begin + j];
      return;
    }
    for (int j = 0; j < options.n_fft; ++j) {
      int64_t at = begin + j;
      if (at < 0) at = -at;
      if (at >= buffer) at = 2 * (buffer - 1) - at;
      frame[j] = at < size ? window[j] * samples[at] : 0.0;
    }
  }
};

LogMelExtractor::LogMelExtractor(const LogMelOptions& options) : plan_(std::make_unique<Plan>(options)) {}
LogMelExtractor::~LogMelExtractor() = default;
LogMelExtractor::LogMelExtractor(LogMelExtractor&&) noexcept = default;
LogMelExtractor& LogMelExtractor::operator=(LogMelExtractor&&) noexcept = default;
const LogMelOptions& LogMelExtractor::options() const { return plan_->options; }

// The transform runs in double. Whisper clamps 80 dB below the clip's loudest bin, and that far down a float32
// transform is wrong in the fourth digit: transformers' float32 STFT differs from this by up to 4e-5 in the result, its
// float64 one
// (_np_extract_fbank_features) by 3e-7.
Result<LogMel> LogMelExtractor::extract(std::span<const float> samples) const {
  const LogMelOptions& options = plan_->options;
  const size_t num_bins = static_cast<size_t>(options.n_fft) / 2 + 1;
  samples = samples.first(std::min<size_t>(samples.size(), static_cast<size_t>(plan_->buffer_samples())));
  LogMel result{options.num_mel_bins, num_mel_frames(std::ssize(samples), options), {}};
  if (num_audio_tokens(result.num_frames) == 0) {
    return fail(ErrorCode::kInvalidInput, "clip of {} samples is too short for one audio token; expected at least {}",
                samples.size(), 2 * options.hop_length + 1);
  }
  const auto bad = std::find_if_not(samples.begin(), samples.end(), [](float x) { return std::isfinite(x); });
  if (bad != samples.end()) {
    return fail(ErrorCode::kInvalidInput, "sample {} of the clip is NaN or infinite", bad - samples.begin());
  }

  // Two frames past the valid ones still see the clip's end and may hold the maximum.
  const int64_t frames_seen = std::min(result.num_frames + 2, plan_->buffer_samples() / options.hop_length);
  std::vector<double> frame(static_cast<size_t>(options.n_fft)), power(num_bins);
  std::vector<std::complex<double>> spectrum(num_bins);
  result.values.resize(static_cast<size_t>(result.num_frames) * options.num_mel_bins);
  double maximum = -10.0;
  for (int64_t t = 0; t < frames_seen; ++t) {
    plan_->window_frame(samples, t, frame);
    plan_->fft.transform_real(frame.data(), spectrum.data());
    power.front() = spectrum[0].real() * spectrum[0].real();  // kissfft packs the Nyquist bin into the imaginary part
    power.back() = spectrum[0].imag() * spectrum[0].imag();
    for (size_t k = 1; k + 1 < num_bins; ++k) power[k] = std::norm(spectrum[k]);
    for (int mel = 0; mel < options.num_mel_bins; ++mel) {
      const MelFilter& filter = plan_->filters[mel];
      double energy = 0.0;
      for (size_t k = 0; k < filter.weights.size(); ++k) energy += filter.weights[k] * power[filter.first_bin + k];
      const double level = std::log10(std::max(energy, 1e-10));
      maximum = std::max(maximum, level);
      if (t < result.num_frames) result.values[mel * result.num_frames + t] = static_cast<float>(level);
    }
  }
  const auto floor = static_cast<float>(maximum - 8.0);
  for (float& value : result.values) value = (std::max(value, floor) + 4.0f) / 4.0f;
  return result;
}

}  // namespace prosodia
