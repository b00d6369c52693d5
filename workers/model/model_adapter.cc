// Adapters inside a model: fresh ones, attaching, and snapshots. Files: adapter_files.cc.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "data/base/check.h"
#include "data/base/philox.h"
#include "workers/model/freeze.h"
#include "workers/model/model_impl.h"

namespace prosodia {
namespace {

// Kaiming uniform with a = sqrt(5), as peft starts A: uniform in ±1/sqrt(inputs).
at::Tensor fresh_a(int64_t rank, int64_t inputs, uint64_t seed) {
  at::Tensor a_RK = at::empty({rank, inputs}, at::kFloat);
  PhiloxStream stream(seed);
  const float bound = static_cast<float>(1.0 / std::sqrt(static_cast<double>(inputs)));
  float* values = a_RK.data_ptr<float>();
  for (int64_t i = 0; i < a_RK.numel(); ++i) values[i] = bound * (2.0f * stream.next_unit() - 1.0f);
  return a_RK;
}

bool all_zero_b(const std::vector<NamedParameter>& parameters) {
  return std::all_of(parameters.begin(), parameters.end(), [](const NamedParameter& parameter) {
    return !parameter.name.ends_with(".lora_B.weight") || at::count_nonzero(parameter.tensor).item<int64_t>() == 0;
  });
}

}  // namespace

std::string module_of(const ParameterSpec& weight) {
  return weight.name.substr(0, weight.name.size() - std::string_view(".weight").size());
}

void Model::Impl::attach(const ParameterSpec& weight, const at::Tensor& a_RK, const at::Tensor& b_NR) {
  PROSODIA_CHECK(
      weight.lora && a_RK.size(1) == weight.shape[1] && b_NR.size(0) == weight.shape[0] && a_RK.size(0) == b_NR.size(1),
      "{}", weight.name);
  const std::string module = module_of(weight);
  const auto place = [&](const at::Tensor& tensor) { return tensor.to(options.device, at::kFloat).contiguous(); };
  *weight.lora = {place(a_RK), place(b_NR), adapter->options.scaling()};
  parameters.push_back({module + ".lora_A.weight", weight.lora->a_RK});
  parameters.push_back({module + ".lora_B.weight", weight.lora->b_NR});
  adapter->modules.insert(module);
}

Status Model::add_adapter(const LoraOptions& options) {
  PROSODIA_TRY(validate(options));
  if (has_adapter()) return fail(ErrorCode::kUsage, "this model has an adapter already");
  AttachedAdapter adapter{.options = options, .config = {}, .modules = {}, .whole = {}, .carried = {}};
  for (const std::string& part : options.modules_to_save) {
    if (part != "projector" && impl_->tied)
      return fail(ErrorCode::kUsage,
                  "lora_modules_to_save '{}': this model's head is tied to its embeddings, and training one of the two "
                  "with an adapter would untie them. Next: leave it out",
                  part);
    const size_t before = adapter.whole.size();
    for (const NamedParameter& parameter : impl_->parameters)
      if (covers(part, parameter.name)) adapter.whole.insert(parameter.name);
    if (adapter.whole.size() == before)
      return fail(ErrorCode::kUsage, "lora_modules_to_save '{}': this model has no such part", part);
  }
  impl_->adapter = std::move(adapter);
  const auto specs = impl_->specs();
  for (size_t i = 0; i < specs.size(); ++i) {
    if (!specs[i].lora || !targets(options, module_of(specs[i]))) continue;
    impl_->attach(specs[i], fresh_a(options.r, specs[i].shape[1], mix_seed(options.seed, i)),
                  at::zeros({specs[i].shape[0], options.r}));
  }
  for (const std::string& target : options.target_modules) {
    LoraOptions one = options;
    one.target_modules = {target};
    const auto& modules = impl_->adapter->modules;
    if (std::none_of(modules.begin(), modules.end(), [&](const auto& module) { return targets(one, module); }))
      return fail(ErrorCode::kUsage, "lora_target_modules '{}': this model has no such layer", target);
  }
  return {};
}

bool Model::has_adapter() const { return impl_->adapter.has_value(); }

const LoraOptions& Model::adapter_options() const {
  PROSODIA_CHECK(has_adapter());
  return impl_->adapter->options;
}

bool Model::in_adapter(std::string_view name) const {
  return impl_->adapter &&
         (name.ends_with(".lora_A.weight") || name.ends_with(".lora_B.weight") || impl_->adapter->whole.contains(name));
}

std::unique_ptr<Model> Model::snapshot(std::span<const NamedParameter> changing) const {
  const at::NoGradGuard no_grad;
  const auto value_of = [&](const std::string& name) {
    const at::Tensor& tensor = *find(name);
    const auto same = [&](const NamedParameter& parameter) { return parameter.name == name; };
    return std::any_of(changing.begin(), changing.end(), same) ? tensor.detach().clone() : tensor;
  };
  auto copy = std::make_unique<Impl>();
  copy->config = impl_->config;
  copy->options = impl_->options;
  copy->tied = impl_->tied;
  copy->file_prefix = impl_->file_prefix;
  copy->dir = impl_->dir;
  copy->base = impl_->base;
  copy->unused = impl_->unused;
  const auto specs = copy->specs();
  for (const ParameterSpec& spec : specs)
    if (spec.slot) copy->place(spec, value_of(spec.name));
  copy->finish();
  if (impl_->adapter && !all_zero_b(impl_->parameters)) {
    copy->adapter = impl_->adapter;
    for (const ParameterSpec& spec : specs) {
      if (!spec.lora || !impl_->adapter->modules.contains(module_of(spec))) continue;
      copy->attach(spec, value_of(module_of(spec) + ".lora_A.weight"), value_of(module_of(spec) + ".lora_B.weight"));
    }
  }
  return std::unique_ptr<Model>(new Model(std::move(copy)));
}

}  // namespace prosodia
