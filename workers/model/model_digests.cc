#include "workers/model/model_digests.h"

#include <algorithm>

#include "data/store/model_identity.h"
#include "workers/model/model.h"

namespace prosodia {

Result<std::vector<Digest>> model_digests(const std::vector<std::filesystem::path>& dirs) {
  std::vector<Digest> found;
  const auto add = [&found](const std::filesystem::path& dir) -> Status {
    PROSODIA_ASSIGN(const Digest identity, model_identity(dir));
    if (std::find(found.begin(), found.end(), identity) == found.end()) found.push_back(identity);
    return {};
  };
  for (const std::filesystem::path& dir : dirs) {
    if (dir.empty()) continue;
    PROSODIA_TRY(add(dir));
    if (!is_adapter_dir(dir)) continue;
    PROSODIA_ASSIGN(const std::filesystem::path base, base_model_dir(dir));
    PROSODIA_TRY(add(base));
  }
  return found;
}

}  // namespace prosodia
