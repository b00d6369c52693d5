// Trains a byte-level BPE on texts: for fresh, small models (`prosodia data build`).
//
// Pure and deterministic: the most frequent pair is merged first; of equally frequent ones that with the lowest left
// id, then the lowest right id. Texts are NFC-normalised and split as in Tokenizer. The merges equal those of Hugging
// Face's BpeTrainer(initial_alphabet=ByteLevel.alphabet(), min_frequency=min_pair_count) on the same texts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "data/text/tokenizer.h"

namespace prosodia {

// vocab_size counts the 256 bytes, the merged tokens and `added_tokens` (omni_added_tokens() for an Omni model), which
// get the last ids. When no pair occurs min_pair_count times any more, the vocabulary ends up smaller: see vocab_size()
// of the result. Texts should not hold the added tokens' names, or merges are spent on them. kUsage when vocab_size <
// 256 + added_tokens.size(), or a name is doubled or empty.
Result<Tokenizer> train_bpe(const std::vector<std::string>& texts, int vocab_size, std::vector<AddedToken> added_tokens,
                            int64_t min_pair_count = 2);

}  // namespace prosodia
