// Byte-pair encoding of one pre-tokenised word: the lowest-ranked merge first, leftmost on ties.
//
// Called by the tokenizer. A model is immutable: const methods are thread-safe, each thread with its own Scratch.
// Failure: BpeModel::create gives kInvalidInput for a vocabulary that is not a byte-level BPE.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "data/base/status.h"

namespace prosodia {

// (left id, right id) -> merge. Open addressing: lookups are most of the cost of encoding.
class MergeTable {
 public:
  struct Merge {
    int32_t rank = -1;  // -1: no such merge
    int32_t result = -1;
  };
  explicit MergeTable(size_t num_merges = 0);             // capacity is fixed
  bool insert(int32_t left, int32_t right, Merge merge);  // false, and nothing changes, when the pair is there already
  Merge find(int32_t left, int32_t right) const;

 private:
  struct Slot {
    uint64_t key = 0;
    Merge merge;
  };
  size_t slot_of(uint64_t key) const;
  std::vector<Slot> slots_;  // power of two, at most half full
};

class BpeModel {
 public:
  static constexpr int32_t kMaxId = (1 << 24) - 1;  // far above any vocabulary; bounds memory for a hostile file

  BpeModel() = default;
  // pieces[id] = raw bytes of the token; empty where an id is not used. merges: in rank order, as ids.
  static Result<BpeModel> create(std::vector<std::string> pieces, std::vector<std::pair<int32_t, int32_t>> merges);

  // Working memory of encode_word, kept between words.
  class Scratch {
    friend class BpeModel;
    struct Symbol {
      int32_t id, previous, next;  // neighbours as indices, -1 at the ends; id -1: merged away
    };
    struct Candidate {
      int32_t rank, at, left_id, right_id, result;
    };
    std::vector<Symbol> symbols;
    std::vector<Candidate> heap;
  };

  // Appends the token ids of `word` (any bytes, shorter than 2^31). O(n log n) in its length.
  void encode_word(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const;

  std::optional<int32_t> id_of(std::string_view bytes) const;
  const std::vector<std::string>& pieces() const { return pieces_; }
  const std::vector<std::pair<int32_t, int32_t>>& merges() const { return merges_; }

 private:
  void push_candidate(int32_t at, Scratch& scratch) const;

  std::vector<std::string> pieces_;
  std::vector<std::pair<int32_t, int32_t>> merges_;
  std::unordered_map<std::string, int32_t> ids_;
  MergeTable table_;
  std::array<int32_t, 256> byte_ids_{};
};

}  // namespace prosodia
