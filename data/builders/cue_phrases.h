// How English says a prosodic cue, for the varied grammar only: noun phrases and clauses with synonyms. Pure functions
// of the stream given. What they say is read back by the faithfulness parser as exactly that cue.
#pragma once

#include <string>
#include <string_view>

#include "data/base/philox.h"
#include "data/prosody/levels.h"

namespace prosodia {

// "high pitch", "rapid speaking rate", "whispered voice": without an article. Acoustic attributes only.
std::string cue_noun_phrase(Attribute attribute, std::string_view level, PhiloxStream& stream);
// "the pitch is high", "the speaker talks quickly": without a capital and a full stop.
std::string cue_clause(Attribute attribute, std::string_view level, PhiloxStream& stream);

std::string with_article(std::string_view phrase);  // "a high pitch", "an expressive contour"

}  // namespace prosodia
