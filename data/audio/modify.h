// Changes of one quantity of a clip that leave the others alone: pitch, rate, energy. What comparative questions are
// made of.
//
// Called by: data/builders. Thread rule: pure functions, any thread. Failure rule: a change out of range, an empty clip
// or samples that are not finite are kInvalidInput; kInternal when the library returns nothing. Equal input gives equal
// output.
//
// Method: SoundTouch's time-domain overlap-add (WSOLA, with a sequence length for speech). The pitch is shifted by
// stretching and resampling, so formants move with it: a larger shift also sounds like a smaller or larger speaker.
#pragma once

#include "data/audio/clip.h"

namespace prosodia {

struct ClipChange {
  double pitch_semitones = 0;  // F0 times 2^(pitch_semitones/12); -12..12
  double rate_factor = 1;      // duration divided by this; 0.5..2
  double gain_db = 0;          // level; -60..60. Samples beyond full scale are kept, not clipped
};

// Duration: clip.seconds() / rate_factor, to the sample. Energy (mean square over the clip): the clip's, plus gain_db.
Result<AudioClip> modify(const AudioClip& clip, const ClipChange& change);

// The clips one after the other with `gap_seconds` of digital silence between them. All at the same rate, not empty.
Result<AudioClip> concatenate(std::span<const AudioClip> clips, double gap_seconds);

}  // namespace prosodia
