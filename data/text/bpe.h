// Byte-pair encoding of one pre-tokenised word: the lowest-ranked merge first, leftmost on ties.
//
// Called by the tokenizer. A model is immutable: const methods are thread-safe.
// Failure: BpeModel::create gives kInvalidInput for a vocabulary that is not a byte-level BPE.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

// (left id, right id) -> merge. Open addressing: half the time of std::unordered_map, and lookups are all of encoding.
class MergeTable {
 public:
  struct Merge {
    int32_t rank = -1;  // -1: no such merge
    int32_t result = -1;
  };
  explicit MergeTable(size_t expected_entries = 0);
  bool insert(int32_t left, int32_t right, Merge merge);  // false when the pair is there already; first one stays
  Merge find(int32_t left, int32_t right) const;

 private:
  struct Slot {
    uint64_t key = 0;
    Merge merge;
  };
  size_t slot_of(uint64_t key) const;
  std::vector<Slot> slots_;
};

class BpeModel {
 public:
  BpeModel() = default;
  // pieces[id] = raw bytes of the token; empty where an id is not used. merges in rank order, as ids.
  static Result<BpeModel> create(std::vector<std::string> pieces, std::vector<std::pair<int32_t, int32_t>> merges);

  // Appends the token ids of `word` (any bytes). O(n log n) in the length of the word.
  void encode_word(std::string_view word, std::vector<int32_t>& ids) const;

  const std::vector<std::string>& pieces() const { return pieces_; }
  const std::vector<std::pair<int32_t, int32_t>>& merges() const { return merges_; }

 private:
  std::vector<std::string> pieces_;
  std::vector<std::pair<int32_t, int32_t>> merges_;
  MergeTable table_;
  std::array<int32_t, 256> byte_ids_{};
};

}  // namespace prosodia
