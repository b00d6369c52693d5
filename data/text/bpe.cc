#include "data/text/bpe.h"

#include <algorithm>
#include <bit>

#include "data/base/check.h"
#include "data/text/byte_alphabet.h"

namespace prosodia {
namespace {

uint64_t pair_key(int32_t left, int32_t right) {
  return (uint64_t{static_cast<uint32_t>(left)} << 32) | static_cast<uint32_t>(right);
}

}  // namespace

MergeTable::MergeTable(size_t num_merges) : slots_(std::bit_ceil(2 * num_merges + 2)) {}

size_t MergeTable::slot_of(uint64_t key) const {
  const size_t mask = slots_.size() - 1;
  size_t slot = (key * 0x9E3779B97F4A7C15u) >> 20 & mask;
  while (slots_[slot].merge.rank >= 0 && slots_[slot].key != key) slot = (slot + 1) & mask;
  return slot;
}

bool MergeTable::insert(int32_t left, int32_t right, Merge merge) {
  const uint64_t key = pair_key(left, right);
  Slot& slot = slots_[slot_of(key)];
  if (slot.merge.rank >= 0) return false;
  slot = {key, merge};
  return true;
}

MergeTable::Merge MergeTable::find(int32_t left, int32_t right) const {
  return slots_[slot_of(pair_key(left, right))].merge;
}

Result<BpeModel> BpeModel::create(std::vector<std::string> pieces, std::vector<std::pair<int32_t, int32_t>> merges) {
  BpeModel model;
  model.table_ = MergeTable(merges.size());
  model.ids_.reserve(pieces.size());
  for (size_t id = 0; id < pieces.size(); ++id) {
    if (pieces[id].empty()) continue;
    const auto [other, fresh] = model.ids_.emplace(pieces[id], static_cast<int32_t>(id));
    if (!fresh) {
      return fail(ErrorCode::kInvalidInput, "vocabulary: ids {} and {} are the same token \"{}\"", other->second, id,
                  to_printable(pieces[id]));
    }
  }
  for (int byte = 0; byte < 256; ++byte) {
    const auto id = model.id_of(std::string(1, static_cast<char>(byte)));
    if (!id) {
      return fail(ErrorCode::kInvalidInput, "vocabulary: no token for byte 0x{:02X}; expected a byte-level BPE", byte);
    }
    model.byte_ids_[byte] = *id;
  }
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto [left, right] = merges[rank];
    const auto known = [&](int32_t id) { return id >= 0 && id < std::ssize(pieces) && !pieces[id].empty(); };
    if (!known(left) || !known(right)) {
      return fail(ErrorCode::kInvalidInput, "merge {}: id {} or {} is not in the vocabulary", rank, left, right);
    }
    const auto result = model.id_of(pieces[left] + pieces[right]);
    if (!result) {
      return fail(ErrorCode::kInvalidInput, "merge {}: its result \"{}\" is not in the vocabulary", rank,
                  to_printable(pieces[left] + pieces[right]));
    }
    if (!model.table_.insert(left, right, {static_cast<int32_t>(rank), *result})) {
      return fail(ErrorCode::kInvalidInput, "merge {}: \"{}\" + \"{}\" is listed twice", rank,
                  to_printable(pieces[left]), to_printable(pieces[right]));
    }
  }
  model.pieces_ = std::move(pieces);
  model.merges_ = std::move(merges);
  return model;
}

std::optional<int32_t> BpeModel::id_of(std::string_view bytes) const {
  const auto found = ids_.find(std::string(bytes));
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

namespace {

// For std::push_heap: the candidate that is merged later compares as smaller.
constexpr auto merged_later = [](const auto& a, const auto& b) {
  return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
};

}  // namespace

void BpeModel::push_candidate(int32_t at, Scratch& scratch) const {
  if (at < 0 || scratch.symbols[at].next < 0) return;
  const int32_t left = scratch.symbols[at].id, right = scratch.symbols[scratch.symbols[at].next].id;
  const MergeTable::Merge merge = table_.find(left, right);
  if (merge.rank < 0) return;
  scratch.heap.push_back({merge.rank, at, left, right, merge.result});
  std::ranges::push_heap(scratch.heap, merged_later);
}

void BpeModel::encode_word(std::string_view word, Scratch& scratch, std::vector<int32_t>& ids) const {
  const auto size = static_cast<int32_t>(word.size());
  auto& symbols = scratch.symbols;
  symbols.clear();
  scratch.heap.clear();
  for (int32_t i = 0; i < size; ++i) {
    symbols.push_back({byte_ids_[static_cast<uint8_t>(word[i])], i - 1, i + 1 < size ? i + 1 : -1});
  }
  for (int32_t i = 0; i + 1 < size; ++i) push_candidate(i, scratch);

  while (!scratch.heap.empty()) {
    std::ranges::pop_heap(scratch.heap, merged_later);
    const Scratch::Candidate best = scratch.heap.back();
    scratch.heap.pop_back();
    Scratch::Symbol& left = symbols[best.at];
    const int32_t right_at = left.next;
    // Out of date when one of the two has been merged with another neighbour since.
    if (left.id != best.left_id || right_at < 0 || symbols[right_at].id != best.right_id) continue;
    left.id = best.result;
    left.next = symbols[right_at].next;
    symbols[right_at].id = -1;
    if (left.next >= 0) symbols[left.next].previous = best.at;
    push_candidate(left.previous, scratch);
    push_candidate(best.at, scratch);
  }
  for (int32_t at = size > 0 ? 0 : -1; at >= 0; at = symbols[at].next) ids.push_back(symbols[at].id);
}

}  // namespace prosodia
