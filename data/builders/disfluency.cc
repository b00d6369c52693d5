#include "data/builders/disfluency.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "data/base/check.h"

namespace prosodia {
namespace {

class Spoiler {
 public:
  Spoiler(std::vector<std::string>& sentences, PhiloxStream& stream, std::vector<std::string>& degradations)
      : sentences_(sentences), stream_(stream), degradations_(degradations) {}

  // Says some sentences again right behind themselves.
  void repeat_sentences(size_t count) {
    const size_t most = std::min(count, sentences_.size());
    for (size_t done = 0, at = below(sentences_.size()); done < most; ++done, at = (at + 2) % sentences_.size()) {
      sentences_.insert(sentences_.begin() + static_cast<std::ptrdiff_t>(at), std::string(sentences_[at]));
    }
    note("{} {} said twice", most, most == 1 ? "sentence" : "sentences");
  }

  // Says one sentence over and over.
  void loop(size_t times) {
    const size_t at = below(sentences_.size());
    sentences_.insert(sentences_.begin() + static_cast<std::ptrdiff_t>(at), times, std::string(sentences_[at]));
    note("a sentence said {} times", times + 1);
  }

  // "the the pitch is is high": doubles small words, so that no cue is torn.
  void stutter(double share) {
    static constexpr std::array<std::string_view, 10> kSmall = {"the", "a",   "is", "and",  "I",
                                                                "of",  "The", "an", "this", "This"};
    int doubled = 0;
    for (std::string& sentence : sentences_) {
      std::string spoilt;
      for (size_t at = 0; at < sentence.size();) {
        const size_t end = std::min(sentence.find(' ', at), sentence.size());
        const std::string word = sentence.substr(at, end - at);
        const bool small = std::find(kSmall.begin(), kSmall.end(), word) != kSmall.end();
        spoilt += (spoilt.empty() ? "" : " ") + word;
        if (small && stream_.next_unit() < share) {
          spoilt += " " + word;
          ++doubled;
        }
        at = end + 1;
      }
      sentence = spoilt;
    }
    note("{} words doubled", doubled);
  }

  // A sentence of words in no order, somewhere but at the end: the end is the conclusion.
  void add_word_salad(size_t words) {
    static constexpr std::array<std::string_view, 12> kWords = {"of",  "clip", "audio", "this", "in",   "the",
                                                                "and", "here", "that",  "for",  "with", "what"};
    std::string salad;
    for (size_t i = 0; i < words; ++i) salad += (i == 0 ? "" : " ") + std::string(kWords[below(kWords.size())]);
    sentences_.insert(sentences_.begin() + static_cast<std::ptrdiff_t>(below(sentences_.size())), salad + ".");
    note("{} words in no order", words);
  }

  void drop_last_stop() {
    sentences_.back().pop_back();
    note("no full stop at the end");
  }

  void cut_off() {
    static constexpr std::array<std::string_view, 3> kBeginnings = {"In addition, the way in which the",
                                                                    "What is more, the", "Besides, it is"};
    sentences_.emplace_back(kBeginnings[below(kBeginnings.size())]);
    note("cut off in the middle of a sentence");
  }

  void lower_case() {
    for (std::string& sentence : sentences_) {
      if (sentence[0] >= 'A' && sentence[0] <= 'Z' && !sentence.starts_with("I ")) {
        sentence[0] = static_cast<char>(sentence[0] - 'A' + 'a');
      }
    }
    note("no capitals");
  }

  size_t below(size_t bound) { return stream_.next_below(static_cast<uint32_t>(bound)); }

  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    degradations_.push_back("fluency: " + fmt::format(format, std::forward<Args>(args)...));
  }

 private:
  std::vector<std::string>& sentences_;
  PhiloxStream& stream_;
  std::vector<std::string>& degradations_;
};

struct Tags {
  bool open = true, close = true;
};

// The wording of grades 4 to 1.
Tags spoil(Spoiler& spoiler, int grade, size_t sentences) {
  Tags tags;
  switch (grade) {
    case 4:
      switch (spoiler.below(3)) {
        case 0:
          spoiler.repeat_sentences(1);
          break;
        case 1:
          spoiler.stutter(0.25);
          spoiler.drop_last_stop();
          break;
        default:
          spoiler.drop_last_stop();
      }
      return tags;
    case 3:
      spoiler.repeat_sentences(std::max<size_t>(1, sentences / 2));
      if (spoiler.below(2) == 0) spoiler.lower_case();
      spoiler.stutter(0.4);
      return tags;
    case 2:
      spoiler.repeat_sentences(sentences);
      spoiler.stutter(0.6);
      if (spoiler.below(2) == 0) {
        spoiler.cut_off();
      } else {
        (spoiler.below(2) == 0 ? tags.open : tags.close) = false;
        spoiler.note("{} is missing", tags.open ? "</think>" : "<think>");
      }
      return tags;
    default:
      spoiler.loop(4 + spoiler.below(5));
      spoiler.lower_case();
      spoiler.stutter(0.8);
      spoiler.add_word_salad(8 + spoiler.below(8));
      tags.open = tags.close = false;
      spoiler.note("no <think> and </think>");
      return tags;
  }
}

}  // namespace

std::string respond_with_fluency(std::vector<std::string> sentences, std::string_view answer, int grade,
                                 PhiloxStream& stream, std::vector<std::string>& degradations) {
  PROSODIA_CHECK(!sentences.empty() && grade >= 1 && grade <= 5, "{} sentences, grade {}", sentences.size(), grade);
  Tags tags;
  if (grade < 5) {
    const size_t count = sentences.size();
    Spoiler spoiler(sentences, stream, degradations);
    tags = spoil(spoiler, grade, count);
  }
  return fmt::format("{}{}{}<answer>{}</answer>", tags.open ? "<think>" : "", fmt::join(sentences, " "),
                     tags.close ? "</think>" : " ", answer);
}

}  // namespace prosodia
