// A model folder whose index says anything, with one good shard beside it.
#include "data/store/model_tensors.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {
namespace {

const std::filesystem::path& folder() {
  static const std::filesystem::path dir = [] {
    const auto path = scratch_dir() / "model";
    std::filesystem::create_directory(path);
    const std::vector<std::byte> data(8);
    const std::vector<TensorView> tensors = {{"a", DType::F32, {2}, data}};
    const Status written =
        write_safetensors(posix_file_system(), path / "model-00001-of-00001.safetensors", tensors, {});
    PROSODIA_CHECK(written.has_value(), "{}", written.error().message);
    return path;
  }();
  return dir;
}

}  // namespace

void fuzz_model_index(Input input) {
  const auto dir = folder();
  write_scratch("model/model.safetensors.index.json", input);
  const auto model = open_model_tensors(dir);
  if (!model) return;
  for (const std::string& name : model->names()) {
    PROSODIA_CHECK(name == "a" && model->find(name)->data.size() == 8, "tensor {} is in no shard", name);
  }
}

}  // namespace prosodia::fuzz
