// What was answered to what, step by step: per-label accuracy and the confusion matrix over time. Pure; single thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace prosodia {

class AnswerHistory {
 public:
  static constexpr size_t kMaxLabels = 32;  // more are no labels but open-ended solutions

  // Compared as R_o compares (reward/rules.h). A blank label does not count.
  void add(uint64_t step, std::string_view label, std::string_view response);

  // In order of their names; empty when there are none, or more than kMaxLabels.
  std::vector<std::string> labels() const;

  // Consecutive steps; counts[{label, answer}] by index into labels(), answer == labels().size(): anything else (no
  // answer, several, a word that is no label).
  struct Bin {
    uint64_t first_step = 0, last_step = 0;
    std::map<std::pair<size_t, size_t>, uint32_t> counts;
  };
  std::vector<Bin> bins(size_t most) const;  // at most so many

 private:
  std::map<std::string, std::string> shown_;  // normalised label -> as the dataset writes it
  std::map<uint64_t, std::map<std::pair<std::string, std::string>, uint32_t>> steps_;  // normalised label, answer
};

}  // namespace prosodia
