#include "orchestrator/report/answer_history.h"

#include <algorithm>

#include "reward/rules.h"

namespace prosodia {

void AnswerHistory::add(uint64_t step, std::string_view label, std::string_view response) {
  std::string wanted = normalize_answer(label);
  if (wanted.empty() || shown_.size() > kMaxLabels) return;
  shown_.try_emplace(wanted, label);
  const auto answer = extract_answer(response);
  ++steps_[step][{std::move(wanted), answer ? normalize_answer(*answer) : std::string()}];
}

std::vector<std::string> AnswerHistory::labels() const {
  std::vector<std::string> labels;
  if (shown_.size() > kMaxLabels) return labels;
  for (const auto& [normalised, label] : shown_) labels.push_back(label);
  return labels;
}

std::vector<AnswerHistory::Bin> AnswerHistory::bins(size_t most) const {
  std::vector<Bin> bins;
  if (steps_.empty() || labels().empty()) return bins;
  std::map<std::string_view, size_t> index;
  for (const auto& [normalised, label] : shown_) index.emplace(normalised, index.size());
  const size_t stride = (steps_.size() + most - 1) / std::max<size_t>(most, 1);
  size_t position = 0;
  for (const auto& [step, counts] : steps_) {
    if (position++ % stride == 0) bins.push_back({step, step, {}});
    bins.back().last_step = step;
    for (const auto& [pair, count] : counts) {
      const auto answer = index.find(pair.second);
      bins.back().counts[{index.at(pair.first), answer == index.end() ? index.size() : answer->second}] += count;
    }
  }
  return bins;
}

}  // namespace prosodia
