// The varied grammar: reasoning and descriptions for models that know English. Sentence plans, connectives, orders and
// synonyms are drawn anew for every text; the words for levels are those of prosody/levels.h and their synonyms in the
// faithfulness parser's lexicon, so that it reads back exactly what was meant (tests hold it to that).
//
// Called by: the cold start, question_text. Thread rule: pure functions of the stream given. Failure rule: none.
#pragma once

#include <string>

#include "data/builders/reasoning_plan.h"

namespace prosodia {

// Reasoning that states the cues and argues for the emotion. Sentences of varied_sentences, in one line.
std::string varied_reasoning(const ProsodyLevels& cues, std::string_view emotion, PhiloxStream& stream);

// The cues alone, no emotion.
std::string varied_description(const ProsodyLevels& cues, PhiloxStream& stream);

}  // namespace prosodia
