// Claims about stressed words, for parse_claims only: "stress on 'never'", "the word "never" is emphasized", "stressed
// words: never, again". Stress as a feeling ("under stress") names no word and claims nothing.
#pragma once

#include <vector>

#include "reward/claim_tokens.h"
#include "reward/faithfulness.h"

namespace prosodia {

void append_stress_claims(const ClaimSentence& sentence, std::vector<Claim>& claims);

}  // namespace prosodia
