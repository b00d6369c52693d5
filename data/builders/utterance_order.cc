#include "data/builders/utterance_order.h"

#include <map>
#include <utility>

#include "data/base/check.h"
#include "data/builders/random_choice.h"

namespace prosodia {

UtteranceOrder::UtteranceOrder(const LabelledCorpus& corpus, const std::vector<size_t>& pool, Balance balance) {
  PROSODIA_CHECK(!pool.empty(), "no utterances");
  std::map<std::string, std::vector<size_t>> groups;
  for (size_t index : pool) {
    const UtteranceInfo& info = corpus.info(index);
    groups[balance == Balance::kEmotion   ? info.emotion
           : balance == Balance::kSpeaker ? info.speaker
                                          : ""]
        .push_back(index);
  }
  for (auto& [name, utterances] : groups) groups_.push_back({std::move(utterances), 0});
}

size_t UtteranceOrder::next(PhiloxStream& stream) {
  auto& [utterances, taken] = groups_[turn_++ % groups_.size()];
  const size_t at = taken++ % utterances.size();
  if (at == 0) shuffle(utterances, stream);
  return utterances[at];
}

}  // namespace prosodia
