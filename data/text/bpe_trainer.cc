#include "data/text/bpe_trainer.h"

#include <algorithm>
#include <map>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "data/text/byte_alphabet.h"
#include "data/text/unicode.h"
#include "data/text/word_split.h"

namespace prosodia {
namespace {

using Pair = std::pair<int32_t, int32_t>;
struct PairHash {
  size_t operator()(const Pair& pair) const {
    const uint64_t key = (uint64_t{static_cast<uint32_t>(pair.first)} << 32) | static_cast<uint32_t>(pair.second);
    return (key * 0x9E3779B97F4A7C15u) >> 17;
  }
};

struct Word {
  std::vector<int32_t> symbols;
  int64_t count = 0;  // occurrences in the texts
};

struct PairInfo {
  int64_t count = 0;            // adjacent positions in the texts; "aaa" counts (a, a) twice, as Hugging Face does
  std::vector<uint32_t> words;  // where it may occur; may repeat
};

struct Candidate {
  int64_t count;
  Pair pair;
  // Priority queue order: the highest count on top, then the lowest ids.
  bool operator<(const Candidate& other) const {
    return count != other.count ? count < other.count : pair > other.pair;
  }
};

class Trainer {
 public:
  Trainer(const std::vector<std::string>& texts, int64_t min_pair_count) : min_pair_count_(min_pair_count) {
    std::array<int32_t, 256> id_of_byte{};
    for (const uint8_t byte : bytes_in_alphabet_order()) {
      id_of_byte[byte] = static_cast<int32_t>(pieces_.size());
      add_piece(std::string(1, static_cast<char>(byte)));
    }
    for (const auto& [text, count] : count_words(texts)) {
      Word word{.count = count};
      for (const char byte : text) word.symbols.push_back(id_of_byte[static_cast<uint8_t>(byte)]);
      words_.push_back(std::move(word));
    }
    for (uint32_t w = 0; w < words_.size(); ++w) {
      const std::vector<int32_t>& symbols = words_[w].symbols;
      for (size_t i = 0; i + 1 < symbols.size(); ++i) change_count({symbols[i], symbols[i + 1]}, words_[w].count, w);
    }
    for (const auto& [pair, info] : pairs_) queue_.push({info.count, pair});
  }

  Result<BpeModel> train(size_t base_vocab_size) {
    while (pieces_.size() < base_vocab_size && !queue_.empty()) {
      Candidate best = queue_.top();
      queue_.pop();
      const int64_t count = pairs_[best.pair].count;
      if (count != best.count) {  // changed since it was queued
        if (count > 0) queue_.push({count, best.pair});
        continue;
      }
      if (count < min_pair_count_) break;
      merge(best.pair);
    }
    return BpeModel::create(std::move(pieces_), std::move(merges_));
  }

 private:
  // Sorted, so that nothing depends on the order of a hash table.
  static std::map<std::string, int64_t> count_words(const std::vector<std::string>& texts) {
    std::unordered_map<std::string, int64_t> counts;
    for (const std::string& raw : texts) {
      std::string valid;
      append_utf8_lossy(raw, valid);
      const std::string text = nfc(valid);
      for (size_t at = 0; at < text.size();) {
        const size_t end = word_end(text, at);
        ++counts[text.substr(at, end - at)];
        at = end;
      }
    }
    return {counts.begin(), counts.end()};
  }

  int32_t add_piece(std::string piece) {
    // Two merges may spell the same token ("ab"+"c", "a"+"bc"): one id, two merges.
    const auto [entry, fresh] = ids_.emplace(piece, static_cast<int32_t>(pieces_.size()));
    if (fresh) pieces_.push_back(std::move(piece));
    return entry->second;
  }

  void change_count(Pair pair, int64_t delta, uint32_t word) {
    PairInfo& info = pairs_[pair];
    info.count += delta;
    if (delta > 0 && (info.words.empty() || info.words.back() != word)) info.words.push_back(word);
  }

  void merge(Pair pair) {
    const int32_t merged = add_piece(pieces_[pair.first] + pieces_[pair.second]);
    // Where two merges spell one token, a pair with it can come up again; it is in the list already.
    if (listed_.insert(pair).second) merges_.push_back(pair);
    std::vector<uint32_t> places = std::move(pairs_[pair].words);
    pairs_.erase(pair);
    std::ranges::sort(places);
    places.erase(std::unique(places.begin(), places.end()), places.end());
    grown_.clear();
    for (const uint32_t word : places) merge_in_word(pair, merged, word);
    std::ranges::sort(grown_);
    grown_.erase(std::unique(grown_.begin(), grown_.end()), grown_.end());
    for (const Pair& grown : grown_) queue_.push({pairs_[grown].count, grown});
  }

  void merge_in_word(Pair pair, int32_t merged, uint32_t index) {
    Word& word = words_[index];
    std::vector<int32_t>& symbols = word.symbols;
    const auto replace_neighbour = [&](Pair before, Pair after) {
      if (before != pair) change_count(before, -word.count, index);
      change_count(after, word.count, index);
      grown_.push_back(after);
    };
    size_t kept = 0;
    for (size_t i = 0; i < symbols.size(); ++i) {
      const bool here = i + 1 < symbols.size() && symbols[i] == pair.first && symbols[i + 1] == pair.second;
      if (!here) {
        symbols[kept++] = symbols[i];
        continue;
      }
      if (kept > 0) replace_neighbour({symbols[kept - 1], pair.first}, {symbols[kept - 1], merged});
      if (i + 2 < symbols.size()) replace_neighbour({pair.second, symbols[i + 2]}, {merged, symbols[i + 2]});
      symbols[kept++] = merged;
      ++i;
    }
    symbols.resize(kept);
  }

  int64_t min_pair_count_;
  std::vector<std::string> pieces_;
  std::unordered_map<std::string, int32_t> ids_;
  std::vector<Pair> merges_;
  std::unordered_set<Pair, PairHash> listed_;
  std::vector<Word> words_;
  std::unordered_map<Pair, PairInfo, PairHash> pairs_;
  std::priority_queue<Candidate> queue_;
  std::vector<Pair> grown_;
};

}  // namespace

Result<Tokenizer> train_bpe(const std::vector<std::string>& texts, int vocab_size, std::vector<AddedToken> added_tokens,
                            int64_t min_pair_count) {
  const size_t fixed = 256 + added_tokens.size();
  if (vocab_size < 0 || static_cast<size_t>(vocab_size) < fixed || vocab_size > BpeModel::kMaxId) {
    return fail(ErrorCode::kUsage, "vocabulary size {}; expected at least {} (256 bytes and {} added tokens)",
                vocab_size, fixed, added_tokens.size());
  }
  if (min_pair_count < 1) return fail(ErrorCode::kUsage, "min_pair_count {}; expected at least 1", min_pair_count);
  Trainer trainer(texts, min_pair_count);
  PROSODIA_ASSIGN(BpeModel model, trainer.train(static_cast<size_t>(vocab_size) - added_tokens.size()));
  for (AddedToken& token : added_tokens) token.id = -1;
  return Tokenizer::create(std::move(model), std::move(added_tokens), {});
}

}  // namespace prosodia
