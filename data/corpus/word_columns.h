// The words of all utterances as ragged arrays of a corpus file. Internal to data/corpus. Callers hold hdf5::lock().
#pragma once

#include <span>
#include <vector>

#include "data/base/bytes.h"
#include "data/corpus/corpus.h"
#include "data/store/hdf5_file.h"

namespace prosodia {

Status write_words(const hdf5::Handle& file, std::span<const UtteranceInfo> infos);
// Fills `words` of every info. Bounds that do not hold are kCorruption.
Status read_words(const hdf5::Handle& file, std::span<UtteranceInfo> infos);
// For the labels' checksum.
void put_words(ByteWriter& bytes, std::span<const Word> words);

}  // namespace prosodia
