#include "workers/model/base_model.h"

#include <nlohmann/json.hpp>

#include "data/base/check.h"
#include "data/base/digest.h"
#include "data/store/atomic_file.h"

namespace prosodia {

namespace fs = std::filesystem;
using nlohmann::json;

BaseModel describe_base(const ShardedTensors& tensors, const std::vector<std::string>& names) {
  BaseModel base{.dir = fs::absolute(tensors.dir()).lexically_normal(), .num_tensors = names.size()};
  DigestBuilder digest;
  for (const std::string& tensor_name : names) {
    const TensorView* view = tensors.find(tensor_name);
    PROSODIA_CHECK(view != nullptr, "no tensor {}", tensor_name);
    base.num_bytes += view->data.size();
    digest.add(std::string_view(tensor_name)).add(name(view->dtype)).add(uint64_t{view->shape.size()});
    for (const int64_t size : view->shape) digest.add(static_cast<uint64_t>(size));
  }
  base.digest = digest.finish().hex();
  return base;
}

Result<std::optional<BaseModel>> read_base_model(const fs::path& dir) {
  const fs::path path = dir / kBaseModelFile;
  PROSODIA_ASSIGN(const bool present, posix_file_system().exists(path));
  if (!present) return std::optional<BaseModel>();
  PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(path));
  try {
    const json object = json::parse(text);
    return std::optional<BaseModel>({.dir = object.at("base_model").get<std::string>(),
                                     .num_tensors = object.at("tensors").get<uint64_t>(),
                                     .num_bytes = object.at("bytes").get<uint64_t>(),
                                     .digest = object.at("digest").get<std::string>()});
  } catch (const json::exception&) {
    return fail(
        ErrorCode::kInvalidInput,
        "{}: expected an object with base_model, tensors, bytes and digest. Remove the file and name the folder "
        "with --base_model when exporting",
        path.string());
  }
}

Status write_base_model(const fs::path& dir, const std::optional<BaseModel>& base) {
  const fs::path path = dir / kBaseModelFile;
  if (!base) return posix_file_system().remove(path);
  const nlohmann::ordered_json object = {{"base_model", base->dir.string()},
                                         {"tensors", base->num_tensors},
                                         {"bytes", base->num_bytes},
                                         {"digest", base->digest}};
  return write_file_atomic(posix_file_system(), path, object.dump(2) + "\n");
}

}  // namespace prosodia
