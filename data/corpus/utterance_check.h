// What every utterance of a corpus keeps to, checked when it is written and when it is read. Internal to data/corpus.
// Pure functions.
#pragma once

#include "data/corpus/corpus.h"

namespace prosodia {

// kInvalidInput saying what is wrong and what was expected; the message does not name the utterance. The rules stand
// in corpus.h beside the fields.
Status check_utterance(const UtteranceInfo& info, double clip_seconds);

}  // namespace prosodia
