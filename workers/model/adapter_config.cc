#include "workers/model/adapter_config.h"

#include <spdlog/spdlog.h>

#include "data/store/fs.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Keys that change what an adapter computes unless they are null, false or empty.
struct Refused {
  const char* key;
  const char* what;
};
constexpr Refused kRefused[] = {
    {"use_dora", "DoRA"},
    {"lora_bias", "a bias in lora_B"},
    {"fan_in_fan_out", "transposed weights"},
    {"rank_pattern", "ranks by module"},
    {"alpha_pattern", "scalings by module"},
    {"megatron_config", "Megatron layers"},
    {"trainable_token_indices", "single trained tokens"},
    {"layer_replication", "replicated layers"},
    {"target_parameters", "adapters on bare parameters"},
    {"use_bdlora", "block-diagonal adapters"},
    {"alora_invocation_tokens", "activated LoRA"},
    {"arrow_config", "Arrow routing"},
    {"use_qalora", "QALoRA"},
    {"kasa_config", "KaSA"},
    {"monteclora_config", "MonteCLoRA"},
    {"velora_config", "VeLoRA"},
};

bool is_unset(const json& value) {
  return value.is_null() || value == false || (value.is_structured() && value.empty());
}

Status check_method(const json& object, const std::string& where) {
  if (object.value("peft_type", json("LORA")) != "LORA")
    return fail(ErrorCode::kInvalidInput, "{}: `peft_type` is {}, expected \"LORA\"", where,
                object["peft_type"].dump());
  for (const Refused& refused : kRefused) {
    if (!object.contains(refused.key) || is_unset(object[refused.key])) continue;
    return fail(ErrorCode::kInvalidInput, "{}: `{}` asks for {}, which is not implemented. Next: merge it with peft",
                where, refused.key, refused.what);
  }
  if (object.value("bias", json("none")) != "none")
    return fail(ErrorCode::kInvalidInput, "{}: `bias` is {}, expected \"none\"", where, object["bias"].dump());
  const json init = object.value("init_lora_weights", json(true));
  for (const char* method : {"pissa", "olora", "corda", "loftq", "lora_ga"})
    if (init.is_string() && init.get<std::string>().starts_with(method))
      return fail(
          ErrorCode::kInvalidInput,
          "{}: `init_lora_weights` is {}: such an adapter fits a changed base, not the stored one. Next: convert "
          "it with peft (path_initial_model_for_weight_conversion)",
          where, init.dump());
  return {};
}

Result<double> read_number(const json& object, const char* key, const std::string& where) {
  if (!object.contains(key) || !object[key].is_number())
    return fail(ErrorCode::kInvalidInput, "{}: `{}` is {}, expected a number", where, key,
                object.contains(key) ? object[key].dump() : "missing");
  return object[key].get<double>();
}

}  // namespace

Result<AdapterConfig> AdapterConfig::load(const fs::path& adapter_dir) {
  const fs::path path = adapter_dir / "adapter_config.json";
  PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(path));
  AdapterConfig config;
  config.source = json::parse(text, nullptr, /*allow_exceptions=*/false);
  const json& object = config.source;
  const std::string where = path.string();
  if (!object.is_object()) return fail(ErrorCode::kInvalidInput, "{}: not a JSON object", where);
  PROSODIA_TRY(check_method(object, where));
  PROSODIA_ASSIGN(const double rank, read_number(object, "r", where));
  config.options.r = static_cast<int64_t>(rank);
  PROSODIA_ASSIGN(config.options.lora_alpha, read_number(object, "lora_alpha", where));
  config.options.use_rslora = object.value("use_rslora", json(false)) == true;
  config.options.target_modules = {"all-linear"};
  if (const Status status = validate(config.options); !status) {
    return fail(ErrorCode::kInvalidInput, "{}: {}", where, status.error().message);
  }
  const json base = object.value("base_model_name_or_path", json());
  if (base.is_string()) config.base = base.get<std::string>();
  if (const json dropout = object.value("lora_dropout", json(0.0)); dropout.is_number() && dropout != 0.0)
    spdlog::warn("{}: `lora_dropout` {} is not applied: training here runs without dropout", where, dropout.dump());
  return config;
}

json peft_config(const LoraOptions& options, const fs::path& base, bool is_text_model, std::string_view prefix) {
  const PeftTargets modules = peft_targets(options, is_text_model, prefix);
  json whole;
  for (const std::string& part : options.modules_to_save)
    for (const std::string& module : modules_of_part(part)) whole.push_back(module);
  return {{"peft_type", "LORA"},
          {"task_type", "CAUSAL_LM"},
          {"base_model_name_or_path", base.string()},
          {"r", options.r},
          {"lora_alpha", options.lora_alpha},
          {"lora_dropout", 0.0},
          {"use_rslora", options.use_rslora},
          {"use_dora", false},
          {"bias", "none"},
          {"fan_in_fan_out", false},
          {"init_lora_weights", true},
          {"inference_mode", true},
          {"target_modules", modules.pattern.empty() ? json(modules.names) : json(modules.pattern)},
          {"modules_to_save", whole},
          {"rank_pattern", json::object()},
          {"alpha_pattern", json::object()}};
}

}  // namespace prosodia
