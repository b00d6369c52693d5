// Tells whether a model or adapter folder holds what it held before: a digest over its tensors and the files that
// decide how they are used. `train` records it in config.ini, so that a run is not resumed with another model by
// mistake.
//
// Covered: every tensor's name, dtype and shape; config.json, tokenizer, preprocessor and generation files whole.
// Values: all of them up to 256 MiB in total; of larger models 16 KiB of every tensor (four places, ends included), so
// the cost does not grow with the model. It is made against mistakes, not against an adversary. Pure function of the
// files. Failure rule: kInvalidInput as open_model_tensors.
#pragma once

#include <filesystem>

#include "data/base/digest.h"
#include "data/base/status.h"

namespace prosodia {

inline constexpr uint64_t kHashedWholeBytes = uint64_t{256} << 20;

// Of a file's bytes: how a record names a dataset. Fails as FileSystem::read_file.
Result<Digest> file_digest(const std::filesystem::path& file);

Result<Digest> model_identity(const std::filesystem::path& model_dir, uint64_t hashed_whole_bytes = kHashedWholeBytes);

}  // namespace prosodia
