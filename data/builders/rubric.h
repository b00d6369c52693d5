// What the four grades of the reward-model sets mean. A response is made to deserve them: reasoning about an utterance
// is spoilt on purpose, each criterion by its own means, so that the four vary independently (rm_plan.h). The grades
// are therefore known and not judged.
//
// factual alignment: of the cues that are stated, the share that is true: 1 + 4 * share, rounded. Wrong cues name
//   another level of the attribute, another word for stress.
//       5 all true   4 about 3/4   3 half   2 about 1/4   1 none
//
// interpretative quality: does what is stated bear out the emotion that is answered? Support is the mean plausibility
//   (data/prosody/cue_plausibility.h) of the stated cues, true or not, for the answer, right or wrong.
//       5 support >= 0.7, and the text says which cues speak for the answer
//       4 support >= 0.6, the text goes from cues to the answer without saying why ("this suggests …")
//       3 support >= 0.6 but no link at all ("The emotion is …"), or a link with mixed support (0.35 to 0.6)
//       2 a link though the cues speak against it (support < 0.35), or the text argues for one emotion and then names
//         another, the answer
//       1 the text ends on another emotion than the answer, or concludes nothing
//
// caption completeness: of the measured attributes (pitch, energy, speed, intonation, stress, a whisper), how many are
//   described: q = (stated + 0.5 * mentioned without a level) / measured. Whether rightly is not asked here. At least
//   one is always stated.
//       5 q = 1   4 q >= 0.7   3 q >= 0.45   2 q >= 0.3   1 less
//
// fluency and structural clarity: of the wording and the tags alone (disfluency.h).
//       5 as written   4 one blemish   3 repeated sentences and doubled words   2 much of that, and one tag missing or
//       the text cut off   1 loops and word salad, tags missing
#pragma once

#include <cmath>

namespace prosodia {

// claims >= 1
inline int factual_grade(int true_claims, int claims) {
  return 1 + static_cast<int>(std::lround(4.0 * true_claims / claims));
}

inline int completeness_grade(int stated, int mentioned, int measured) {
  const double q = (stated + 0.5 * mentioned) / measured;
  return q >= 1 ? 5 : q >= 0.7 ? 4 : q >= 0.45 ? 3 : q >= 0.3 ? 2 : 1;
}

inline constexpr double kSupportToExplain = 0.7, kSupportToSuggest = 0.6, kSupportAgainst = 0.35;

}  // namespace prosodia
