#include "workers/model/export.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <set>

#include "data/base/check.h"
#include "data/store/atomic_file.h"
#include "data/store/checkpoint_dir.h"
#include "workers/model/base_model.h"
#include "workers/model/model.h"
#include "workers/model/model_folder.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;

// The folder that has the tensors `model` lacks: named by the user, or recorded in the checkpoint.
Result<std::optional<ModelFolder>> open_base(const ModelFolder& model, const fs::path& named) {
  const fs::path& model_dir = model.tensors.dir();
  PROSODIA_ASSIGN(const std::optional<BaseModel> recorded, read_base_model(model_dir));
  if (!model.foreign.empty()) {
    if (named.empty()) return std::optional<ModelFolder>();
    return fail(ErrorCode::kUsage, "--base_model: {} is complete and takes no tensors from another folder",
                model_dir.string());
  }
  if (named.empty() && !recorded) return std::optional<ModelFolder>();
  const fs::path dir = named.empty() ? recorded->dir : named;
  auto base = open_model_folder(dir);
  if (!base) {
    if (!named.empty()) return wrap(base.error(), "--base_model");
    return wrap(
        base.error(),
        fmt::format("{} was trained from {} and needs {} tensors from there ({}); name the folder's new place with "
                    "--base_model",
                    model_dir.string(), dir.string(), recorded->num_tensors, kBaseModelFile));
  }
  if (base->config.layout != model.config.layout || base->prefix != model.prefix) {
    return fail(ErrorCode::kInvalidInput,
                "{}: another layout than {} (model_type in config.json). Name the folder it was trained from with "
                "--base_model",
                dir.string(), model_dir.string());
  }
  if (recorded) {
    const BaseModel found = describe_base(base->tensors, base->foreign);
    if (found.digest != recorded->digest) {
      return fail(
          ErrorCode::kInvalidInput,
          "{}: its tensors beside the Thinker are {} with {} bytes; {} was trained from a folder with {} and {} "
          "bytes. Name that folder with --base_model",
          dir.string(), found.num_tensors, found.num_bytes, model_dir.string(), recorded->num_tensors,
          recorded->num_bytes);
    }
  }
  return std::optional<ModelFolder>(std::move(*base));
}

class Exporter {
 public:
  Exporter(ModelFolder model, std::optional<ModelFolder> base, const ExportOptions& options)
      : model_(std::move(model)), base_(std::move(base)), options_(options) {}

  Status write(const fs::path& dir) {
    FileSystem& files = posix_file_system();
    PROSODIA_TRY(files.create_dirs(dir));
    PROSODIA_TRY(plan());
    PROSODIA_TRY(write_model_tensors(
        files, dir, specs_, [this](const TensorSpec& spec, const ByteSink& sink) { return produce(spec, sink); },
        {{"format", "pt"}}, options_.max_shard_bytes));
    if (base_) PROSODIA_TRY(copy_model_files(base_->tensors.dir(), dir));
    PROSODIA_TRY(copy_model_files(model_.tensors.dir(), dir));  // the checkpoint's own win
    return write_config(dir);
  }
  const ExportReport& report() const { return report_; }

 private:
  Status plan() {
    std::vector<ExpectedTensor> parameters;
    for (const std::string& file_name : model_.own) {
      const TensorView& view = model_.view(file_name);
      specs_.push_back({file_name, options_.dtype.value_or(view.dtype), view.shape});
      parameters.push_back({file_name.substr(model_.prefix.size()), view.shape});
    }
    const ModelFolder& rest = base_ ? *base_ : model_;
    for (const std::string& file_name : rest.foreign) {
      const TensorView& view = rest.view(file_name);
      specs_.push_back({file_name, view.dtype, view.shape});
    }
    for (const TensorSpec& spec : specs_) report_.num_bytes += byte_size(spec);
    report_.num_tensors = specs_.size();
    if (base_) {
      report_.base = base_->tensors.dir();
      report_.num_from_base = base_->foreign.size();
    }
    own_.insert(model_.own.begin(), model_.own.end());
    return options_.edit ? options_.edit->check(parameters) : Status();
  }

  Status produce(const TensorSpec& spec, const ByteSink& sink) {
    const bool own = own_.contains(spec.name);
    const ModelFolder& from = !own && base_ ? *base_ : model_;
    const TensorView& view = from.view(spec.name);
    const std::string_view parameter = own ? std::string_view(spec.name).substr(model_.prefix.size()) : "";
    if (!own || options_.edit == nullptr || !options_.edit->touches(parameter))
      return stream_tensor(from.tensors, view, spec.dtype, sink);
    PROSODIA_ASSIGN(at::Tensor weight, read_tensor(from.tensors, view, at::kFloat));
    PROSODIA_TRY(options_.edit->apply(parameter, weight));
    ++report_.num_edited;
    return sink(bytes_of(weight.to(torch_dtype(spec.dtype)).contiguous()));
  }

  // Untouched unless a value changes.
  Status write_config(const fs::path& dir) const {
    FileSystem& files = posix_file_system();
    if (!options_.dtype) {
      PROSODIA_ASSIGN(const auto bytes, files.read_file(model_.tensors.dir() / "config.json"));
      return write_file_atomic(files, dir / "config.json", bytes);
    }
    nlohmann::json config = model_.config.to_json();
    set_dtype(config, *options_.dtype);
    return write_file_atomic(files, dir / "config.json", config.dump(2) + "\n");
  }

  const ModelFolder model_;
  const std::optional<ModelFolder> base_;
  const ExportOptions& options_;
  std::vector<TensorSpec> specs_;
  std::set<std::string, std::less<>> own_;
  ExportReport report_;
};

Status check_output(const fs::path& output_dir) {
  PROSODIA_ASSIGN(const bool exists, posix_file_system().exists(output_dir));
  if (!exists) return {};
  PROSODIA_ASSIGN(const auto entries, posix_file_system().list_dir(output_dir));
  if (entries.empty()) return {};
  return fail(ErrorCode::kUsage,
              "--output_dir {}: there is something in it already. Name a new folder, or remove this one",
              output_dir.string());
}

}  // namespace

Status check_checkpoint(const fs::path& model_dir) {
  const fs::path dir = fs::weakly_canonical(model_dir);
  PROSODIA_ASSIGN(const bool has_manifest, posix_file_system().exists(dir / "MANIFEST.json"));
  if (!has_manifest || !dir.filename().string().starts_with("step-")) return {};
  const auto verified = CheckpointStore(posix_file_system(), dir.parent_path()).verify(dir);
  return verified ? Status() : tl::unexpected(verified.error());
}

Result<ExportReport> export_model(const fs::path& model_dir, const fs::path& output_dir, const ExportOptions& options) {
  FileSystem& files = posix_file_system();
  PROSODIA_TRY(check_output(output_dir));
  PROSODIA_TRY(check_checkpoint(model_dir));
  PROSODIA_ASSIGN(ModelFolder model, open_model_folder(model_dir));
  PROSODIA_ASSIGN(std::optional<ModelFolder> base, open_base(model, options.base_model));

  fs::path target = fs::absolute(output_dir).lexically_normal();
  if (!target.has_filename()) target = target.parent_path();  // "D/"
  const fs::path partial = target.string() + ".partial";
  PROSODIA_TRY(files.remove_all(partial));
  Exporter exporter(std::move(model), std::move(base), options);
  PROSODIA_TRY(exporter.write(partial));
  PROSODIA_TRY(files.rename(partial, target));
  PROSODIA_TRY(files.sync_dir(target.parent_path()));
  return exporter.report();
}

}  // namespace prosodia
