// Spoils the wording and the tags of a response, and leaves alone what it says: the fluency grades of rubric.h.
// Nothing is taken from the cues, the link and the answer, so that the other three grades stay true.
//
// Called by: rm_set.cc. Thread rule: pure function of the stream given. Failure rule: none.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "data/base/philox.h"

namespace prosodia {

// The whole response, think and answer tags as the grade has them. `grade` in [1, 5]. `sentences` (not empty): the
// reasoning, in order, each with its full stop. Appends what was done to `degradations`.
std::string respond_with_fluency(std::vector<std::string> sentences, std::string_view answer, int grade,
                                 PhiloxStream& stream, std::vector<std::string>& degradations);

}  // namespace prosodia
