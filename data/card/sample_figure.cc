#include "data/card/sample_figure.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/base/base64.h"
#include "data/base/bytes.h"
#include "data/base/markup.h"
#include "data/prosody/f0.h"
#include "data/prosody/measure.h"
#include "data/prosody/speech_frames.h"

namespace prosodia {
namespace {

constexpr double kWidth = 500, kHeight = 190, kLeft = 40, kRight = 44, kTop = 8, kBottom = 22;
constexpr double kMiddle = (kTop + kHeight - kBottom) / 2;
constexpr double kEnergyFloorDbfs = -70;

double x_of(double seconds, double total) { return kLeft + (kWidth - kLeft - kRight) * seconds / total; }

double y_of_share(double share) { return kHeight - kBottom - (kHeight - kTop - kBottom) * std::clamp(share, 0.0, 1.0); }
double y_of_f0(double hz) { return y_of_share(std::log(hz / kF0MinHz) / std::log(kF0MaxHz / kF0MinHz)); }
double y_of_energy(double dbfs) { return y_of_share(1 - dbfs / kEnergyFloorDbfs); }

// One vertical stroke a column, from its lowest to its highest sample. Scaled to the clip's peak: levels are the energy
// curve's business.
std::string wave_path(const AudioClip& clip) {
  const auto columns = static_cast<size_t>(kWidth - kLeft - kRight);
  float peak = 1e-6f;
  for (const float sample : clip.samples) peak = std::max(peak, std::abs(sample));
  std::string path;
  const double half = (kHeight - kTop - kBottom) / 2;
  for (size_t column = 0; column < columns; ++column) {
    const size_t begin = column * clip.samples.size() / columns;
    const size_t end = std::max(begin + 1, (column + 1) * clip.samples.size() / columns);
    float low = 0, high = 0;
    for (size_t i = begin; i < std::min(end, clip.samples.size()); ++i) {
      low = std::min(low, clip.samples[i]);
      high = std::max(high, clip.samples[i]);
    }
    path += fmt::format("M{} {:.1f}V{:.1f}", kLeft + static_cast<double>(column), kMiddle - half * high / peak,
                        kMiddle - half * low / peak + 0.5);
  }
  return path;
}

// Connected where frames follow each other.
std::string track_path(const std::vector<float>& values, double total, const auto& is_there, const auto& y) {
  std::string path;
  bool open = false;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool there = is_there(values[i]);
    if (there) {
      const double x = x_of(std::min(static_cast<double>(i) * kSpeechHopSeconds, total), total);
      path += fmt::format("{}{:.1f} {:.1f}", open ? "L" : "M", x, y(values[i]));
      if (!open) path += "h.1";  // a frame alone is a dot
    }
    open = there;
  }
  return path;
}

std::string axes(double total) {
  std::string svg;
  for (const double hz : {75.0, 150.0, 300.0}) {
    svg += fmt::format(R"(<text class="f0t" x="{:.0f}" y="{:.1f}" text-anchor="end">{:.0f}</text>)", kLeft - 5,
                       y_of_f0(hz) + 4, hz);
  }
  for (const double dbfs : {-60.0, -40.0, -20.0}) {
    svg += fmt::format(R"(<text class="ent" x="{:.0f}" y="{:.1f}">{:.0f}</text>)", kWidth - kRight + 5,
                       y_of_energy(dbfs) + 4, dbfs);
  }
  const double step = total > 8 ? 2 : total > 4 ? 1 : 0.5;
  for (double tick = 0; tick <= total; tick += step) {
    svg += fmt::format(
        R"(<path class="grid" d="M{0:.1f} {1:.0f}V{2:.0f}"/><text class="soft" x="{0:.1f}" y="{3:.0f}" text-anchor="middle">{4:g} s</text>)",
        x_of(tick, total), kTop, kHeight - kBottom, kHeight - 6, tick);
  }
  return svg;
}

std::string word_marks(const std::vector<Word>& words, double total) {
  std::string svg;
  for (const Word& word : words) {
    if (word.end_seconds > total) break;
    const double begin = x_of(word.start_seconds, total), end = x_of(word.end_seconds, total);
    svg += fmt::format(R"(<rect class="{}" x="{:.1f}" y="{:.0f}" width="{:.1f}" height="3"><title>{}{}</title></rect>)",
                       word.stressed ? "word stressed" : "word", begin, kHeight - kBottom - 1,
                       std::max(1.0, end - begin - 2), escape_markup(word.text), word.stressed ? ", stressed" : "");
  }
  return svg;
}

// The transcript; with known words, the stressed ones in <strong>.
std::string transcript_html(const UtteranceInfo& info) {
  if (info.words.empty()) {
    return info.transcript.empty() ? "<em>no transcript</em>" : escape_markup(info.transcript);
  }
  std::string html;
  for (const Word& word : info.words) {
    if (!html.empty()) html += ' ';
    html += word.stressed ? "<strong>" + escape_markup(word.text) + "</strong>" : escape_markup(word.text);
  }
  return html;
}

std::string labels_html(const UtteranceInfo& info) {
  std::string html;
  const auto add = [&](std::string_view name, const std::string& value) {
    if (value.empty()) return;
    html += fmt::format("<li><span>{}</span> {}</li>", escape_markup(name), escape_markup(value));
  };
  if (info.source_label != info.emotion) add("label", info.source_label);
  for (const Attribute attribute : kAcousticAttributes) add(attribute_name(attribute), info.levels[attribute]);
  add("speaker", info.speaker);
  add("gender", info.gender);
  add("age", info.age_group);
  add("language", info.language);
  add("split", info.split);
  return "<ul class=\"labels\">" + html + "</ul>";
}

}  // namespace

std::string waveform_svg(const AudioClip& clip, const std::vector<float>& f0_hz, const std::vector<float>& energy_dbfs,
                         const std::vector<Word>& words) {
  const double total = clip.seconds();
  const std::string f0 = track_path(
      f0_hz, total, [](float hz) { return hz > 0; }, y_of_f0);
  const std::string energy = track_path(
      energy_dbfs, total, [](float db) { return db > kEnergyFloorDbfs; }, y_of_energy);
  return fmt::format(
      R"(<svg class="wave" viewBox="0 0 {:.0f} {:.0f}" role="img" aria-label="waveform with pitch and energy, {:.1f} s">)"
      R"({}<path class="w" d="{}"/><path class="en" d="{}"/><path class="f0" d="{}"/>{}</svg>)",
      kWidth, kHeight, total, axes(total), wave_path(clip), energy, f0, word_marks(words, total));
}

std::string wav_data_uri(const AudioClip& clip) {
  const std::vector<int16_t> pcm = to_pcm16(clip.samples);
  const auto data_bytes = static_cast<uint32_t>(pcm.size() * sizeof(int16_t));
  const auto rate = static_cast<uint32_t>(clip.sample_rate_hz);
  ByteWriter wav;
  const auto tag = [&](std::string_view text) { wav.put_bytes(std::as_bytes(std::span(text.data(), text.size()))); };
  tag("RIFF");
  wav.put(uint32_t{36} + data_bytes);
  tag("WAVEfmt ");
  wav.put(uint32_t{16});
  wav.put(uint16_t{1});  // PCM
  wav.put(uint16_t{1});  // mono
  wav.put(rate);
  wav.put(rate * 2);      // bytes a second
  wav.put(uint16_t{2});   // bytes a frame
  wav.put(uint16_t{16});  // bits
  tag("data");
  wav.put(data_bytes);
  wav.put_bytes(std::as_bytes(std::span(pcm)));
  return "data:audio/wav;base64," + base64(wav.view());
}

Result<std::string> sample_figure(const Utterance& utterance) {
  AudioClip clip = utterance.audio;
  const double seconds = clip.seconds();
  if (seconds > kMaxShownSeconds) clip.samples.resize(static_cast<size_t>(kMaxShownSeconds * clip.sample_rate_hz));
  PROSODIA_ASSIGN(const ProsodyTracks tracks, track_prosody(clip));
  const UtteranceInfo& info = utterance.info;
  return fmt::format(
      "<figure class=\"sample\"><figcaption><b>{0}</b> <span class=\"id\">{1}, {2:.1f} s{3}</span></figcaption>\n{4}\n"
      "<audio controls preload=\"metadata\" src=\"{5}\" aria-label=\"{1}\"></audio>\n<p "
      "class=\"said\"{6}>{7}</p>{8}</figure>\n",
      escape_markup(info.emotion), escape_markup(info.id), seconds,
      seconds > kMaxShownSeconds ? fmt::format(", the first {:.0f} s shown", kMaxShownSeconds) : "",
      waveform_svg(clip, tracks.f0_hz, tracks.frames.dbfs, info.words), wav_data_uri(clip),
      info.language.empty() ? "" : fmt::format(" lang=\"{}\"", escape_markup(info.language)), transcript_html(info),
      labels_html(info));
}

}  // namespace prosodia
