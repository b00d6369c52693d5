// Acoustic faithfulness: what a response claims about the prosody, checked against what the signal measures.
//
// Called by AcousticScorer, the reward worker (a metric of every response), `eval`. Pure; thread-safe. Any bytes are
// accepted: text without a recognisable claim has none. Time is linear in the text.
//
// A claim binds a level word to an attribute within one sentence: "high pitch", "the pitch is high", "pitch and energy
// are low", "speaks quickly", "monotone", "stress on 'never'". Vocabulary: data/prosody/levels.h plus claim_lexicon.cc.
// Words that qualify something else ("high arousal", "the emotion is neutral", "emotional intensity") are not claims.
// This is a rule-based reader of English, not a language model: it reads plain statements, and misses irony, reference
// across sentences and quotation.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/prosody/levels.h"

namespace prosodia {

struct Claim {
  Attribute attribute = Attribute::kPitch;
  std::string level;          // canonical (levels.h); for kStress a word of the transcript, case-folded
  bool negated = false;       // "not high", "neither high nor low", "without a rising intonation"
  size_t begin = 0, end = 0;  // bytes of the level word in the text
};

// In text order; repeated statements are repeated here.
std::vector<Claim> parse_claims(std::string_view think);

// Counts are over distinct statements, so that repeating a claim gains nothing.
//  - Only attributes with a measured level are checkable; claims about the others neither help nor hurt.
//  - Contradicting claims about an attribute (two levels; a level and its negation) are all false, and the attribute
//    is not recalled: hedging over the levels must not pay.
//  - A negation that leaves one level ("neither high nor low") is a claim of that level. Any other negation says too
//    little to earn anything: false ones count as false claims, true ones not at all.
//  - Stress: each named word is a claim; the attribute is recalled when a stressed word is named and none wrongly.
//  - Recall is over the measured attributes of delivery: pitch, energy, speed, intonation, stress, and voice when it is
//    a whisper (an unmarked voice goes without saying). Gender and age are checked when claimed, never demanded.
struct Faithfulness {
  int claims = 0;          // distinct statements, measured or not
  int checkable = 0;       // those about a measured attribute (without true partial negations)
  int true_claims = 0;     // of the checkable
  int contradictions = 0;  // attributes spoken of in contradicting ways
  int measured_attributes = 0, recalled_attributes = 0;
  double precision = 0;  // true_claims / checkable; 0 when nothing checkable is claimed (see `checkable`)
  double recall = 0;     // recalled / measured; NaN when the row has no measured level
  double score = 0;      // 2 P R / (P + R), 0 when both are 0; NaN when the row has no measured level
};
Faithfulness check_claims(std::span<const Claim> claims, const ProsodyLevels& measured);

// The same judgement for each claim, in their order, to be marked in the text.
enum class ClaimTruth : uint8_t {
  kTrue,        // the signal bears it out (a negation: it does not have that level)
  kFalse,       // it does not, or the text contradicts itself about the attribute
  kUnmeasured,  // the attribute has no measured level
};
std::vector<ClaimTruth> judge_claims(std::span<const Claim> claims, const ProsodyLevels& measured);

}  // namespace prosodia
