// Prosody of one utterance in physical units, from the signal alone (and the transcript, for the rate).
//
// Called by: data synth and data annotate (stored in the corpus), evaluation. Thread rule: pure functions, any thread.
// Failure rule: input that cannot be measured at all (empty, not finite, unusable sample rate) is an error; a quantity
// that this signal does not determine is nullopt and its reason is in `problems`. Nothing is guessed.
//
// Method, after the labelling pipeline of EmotionThinker (arXiv 2601.15668), two passes: this file extracts physical
// units; calibration.h turns them into levels. F0 by YIN's cumulative-mean-normalised difference (de Cheveigné &
// Kawahara 2002) with several candidates a frame and a Viterbi path over them (as in pYIN, Mauch & Dixon 2014).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/audio/clip.h"
#include "data/base/status.h"

namespace prosodia {

struct ProsodyMeasure {
  std::optional<float> f0_mean_hz;            // geometric mean over voiced frames: what the pitch level is taken from
  std::optional<float> f0_median_hz;          // median over voiced frames
  std::optional<float> f0_range_semitones;    // 5th to 95th percentile over voiced frames
  std::optional<float> voiced_ratio;          // voiced frames / speech frames, 0..1
  std::optional<float> energy_dbfs;           // RMS over speech frames; 0 dBFS = a full-scale square wave
  std::optional<float> speech_seconds;        // speech frames x hop: pauses and padding do not count
  std::optional<float> syllables_per_second;  // syllables of the transcript / speech_seconds
  std::string intonation;                     // a level of Attribute::kIntonation, empty when undetermined
  bool is_whisper = false;                    // speech with (almost) no voicing
  std::vector<float> contour_semitones;       // kContourPoints of smoothed F0 over voiced time relative to the median
  std::vector<std::string> problems;          // "no speech found", … ; empty for a clean measurement
};

inline constexpr int kContourPoints = 20;

// `transcript`: nullopt leaves syllables_per_second empty (no problem is noted: it is the caller's choice).
Result<ProsodyMeasure> measure_prosody(const AudioClip& clip, std::optional<std::string_view> transcript);

// Syllables of English text by vowel groups, silent final e and a list of common exceptions; >= 1 for each word.
int count_syllables(std::string_view text);

}  // namespace prosodia
