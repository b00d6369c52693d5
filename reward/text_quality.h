// "Fluency and structural clarity" without a language model: length, repetition, sentence form, tags. It finds the
// collapses that RL produces (loops, empty or endless reasoning, broken tags); it does not judge style. Pure;
// thread-safe; any bytes.
#pragma once

#include <cstddef>
#include <string_view>

namespace prosodia {

struct TextQualityOptions {
  size_t min_words = 6;    // fewer lower the grade in proportion
  size_t max_words = 200;  // the paper's cap; the grade falls to its floor at twice this
};

struct TextQuality {
  double length = 0;      // 1 within [min_words, max_words]
  double repetition = 0;  // share of word trigrams that are new, times the share of sentences that are; 1 = no repeat
  double structure = 0;   // format reward 0.5, ends as a sentence 0.2, no tags inside 0.15, mostly words 0.15
  double grade() const { return 1 + 4 * length * repetition * structure; }  // [1, 5]
};
TextQuality text_quality(std::string_view response, const TextQualityOptions& options = {});

}  // namespace prosodia
