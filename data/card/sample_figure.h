// One utterance to see and to hear: its waveform with pitch and energy drawn over it, the sound itself, transcript and
// labels. Called by: dataset_card.cc. Thread rule: pure functions. Failure rule: as measure_prosody.
#pragma once

#include <string>
#include <vector>

#include "data/audio/clip.h"
#include "data/base/status.h"
#include "data/corpus/corpus.h"

namespace prosodia {

inline constexpr double kMaxShownSeconds = 20;  // longer clips are shown and embedded up to here

// `f0_hz`, `energy_dbfs`: one value each kSpeechHopSeconds; F0 0 is unvoiced.
std::string waveform_svg(const AudioClip& clip, const std::vector<float>& f0_hz, const std::vector<float>& energy_dbfs,
                         const std::vector<Word>& words);

// "data:audio/wav;base64,…": mono, 16 bit.
std::string wav_data_uri(const AudioClip& clip);

// <figure>…</figure>
Result<std::string> sample_figure(const Utterance& utterance);

}  // namespace prosodia
