// Which frames of a clip hold speech, by energy, and how loud they are.
//
// Called by: measure.cc; the synthesis, to trim silence. Thread rule: pure function. Failure rule: a silent clip has no
// active frame. Invariant to padding with silence (thresholds are relative to the loudest frame) and, above
// kSilenceDbfs, to gain.
#pragma once

#include <vector>

#include "data/audio/clip.h"

namespace prosodia {

inline constexpr double kSpeechHopSeconds = 0.010;
inline constexpr float kSilenceDbfs = -75.0f;  // quieter frames are never speech

struct SpeechFrames {
  std::vector<bool> active;  // frame i is centred on i * kSpeechHopSeconds; true: loud enough
  std::vector<bool> speech;  // active, with closures of up to 150 ms bridged; longer gaps are pauses
  std::vector<float> dbfs;   // RMS over 25 ms around each frame, at least kSilenceDbfs - 25
  int active_count = 0, speech_count = 0;
  float energy_dbfs = 0;  // RMS over the active frames; meaningless when there are none
};

SpeechFrames find_speech(const AudioClip& clip);

}  // namespace prosodia
