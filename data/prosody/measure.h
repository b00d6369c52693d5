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
#include "data/prosody/levels.h"
#include "data/prosody/speech_frames.h"

namespace prosodia {

// Why a quantity is undetermined, or not what it seems.
struct MeasureProblem {
  enum Kind : uint8_t {
    kNoSpeech,       // everything is undetermined: silence, or a steady noise
    kTooShort,       // everything is undetermined
    kClipped,        // energy is a lower bound; nothing is undetermined
    kUnvoiced,       // no pitch, no intonation
    kShortVoicing,   // no intonation
    kNoSyllableRule  // no speed: language, digits, or no words
  };
  Kind kind;
  std::string text;  // for people, with the numbers of this clip
};
// "no speech", "too short", … : the kind for people.
std::string_view problem_name(MeasureProblem::Kind kind);
// Whether a problem of this kind leaves the attribute without a level.
bool explains(MeasureProblem::Kind kind, Attribute attribute);

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
  std::vector<MeasureProblem> problems;       // empty for a clean measurement
};

inline constexpr int kContourPoints = 20;

// What the measures are taken from, frame by frame (every kSpeechHopSeconds).
struct ProsodyTracks {
  SpeechFrames frames;
  std::vector<float> f0_hz;  // one a frame, 0 = unvoiced; empty when there is no speech at all
  double clipped_ratio = 0;  // samples at full scale / all samples
};
Result<ProsodyTracks> track_prosody(const AudioClip& clip);

// `transcript`: nullopt leaves syllables_per_second empty (no problem is noted: it is the caller's choice).
// `language`: the transcript's BCP-47 primary tag; speed is undetermined in languages without a syllable rule.
ProsodyMeasure measure_tracks(const ProsodyTracks& tracks, std::optional<std::string_view> transcript,
                              std::string_view language);
Result<ProsodyMeasure> measure_prosody(const AudioClip& clip, std::optional<std::string_view> transcript,
                                       std::string_view language = "en");

}  // namespace prosodia
