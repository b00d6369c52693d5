// The label columns of a corpus file as one table, shared by writer and reader so that they cannot disagree.
// Internal to data/corpus. Pure.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/corpus/corpus.h"

namespace prosodia {

inline constexpr std::string_view kCorpusFormat = "prosodia-corpus";
inline constexpr uint64_t kCorpusVersion = 2;

struct StringColumn {
  std::string name;  // path of the dataset
  std::function<std::string&(UtteranceInfo&)> field;
};
const std::vector<StringColumn>& string_columns();

struct FloatColumn {
  std::string name;
  std::optional<float> ProsodyMeasure::*field;  // NaN in the file = nullopt
};
std::span<const FloatColumn> float_columns();

// CRC-32C over all labels, offsets and audio checksums.
uint32_t metadata_crc32c(std::vector<UtteranceInfo>& infos, std::span<const uint64_t> offsets,
                         std::span<const uint32_t> audio_crc32c);

}  // namespace prosodia
