// The order in which a set takes utterances: without end, in passes, each pass in a new random order.
#pragma once

#include <vector>

#include "data/base/philox.h"
#include "data/builders/build.h"
#include "data/builders/labelled_corpus.h"

namespace prosodia {

// Value type; single thread. The n-th utterance depends on (pool, balance, the stream) and n alone.
class UtteranceOrder {
 public:
  // `pool` must not be empty.
  UtteranceOrder(const LabelledCorpus& corpus, const std::vector<size_t>& pool, Balance balance);
  // Shuffles with `stream` whenever a pass begins.
  size_t next(PhiloxStream& stream);

 private:
  struct Group {
    std::vector<size_t> utterances;
    size_t taken = 0;
  };
  std::vector<Group> groups_;  // that take turns; one for Balance::kNone
  size_t turn_ = 0;
};

}  // namespace prosodia
