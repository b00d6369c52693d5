// What a set of model folders holds, for the records that a run is resumed by.
//
// Called by `train` and `sft`. Pure function of the files. Failure rule: kInvalidInput as model_identity().
#pragma once

#include <filesystem>
#include <vector>

#include "data/base/digest.h"
#include "data/base/status.h"

namespace prosodia {

// model_identity() of each folder and, behind an adapter's, of its base: the adapter's folder only names it. Each
// digest once (a reference is often the model itself, perhaps under another name), in order; empty paths are left out.
Result<std::vector<Digest>> model_digests(const std::vector<std::filesystem::path>& dirs);

}  // namespace prosodia
