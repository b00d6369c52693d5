#include "workers/learner/sft_identity.h"

#include "data/base/json.h"
#include "data/store/model_identity.h"
#include "workers/learner/sft_progress.h"
#include "workers/model/model_digests.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string absolute_text(const fs::path& path) { return fs::weakly_canonical(fs::absolute(path)).string(); }

Result<json> files_identity(const std::vector<fs::path>& paths) {
  json files = json::array();
  for (const fs::path& path : paths) {
    PROSODIA_ASSIGN(const Digest digest, file_digest(path));
    files.push_back({{"path", absolute_text(path)}, {"digest", digest.hex()}});
  }
  return files;
}

Result<json> datasets_identity(const std::vector<SftDataset>& datasets) {
  json list = json::array();
  for (const SftDataset& dataset : datasets) {
    PROSODIA_ASSIGN(const Digest digest, file_digest(dataset.path));
    list.push_back({{"path", absolute_text(dataset.path)},
                    {"weight", dataset.weight ? json(*dataset.weight) : json()},
                    {"digest", digest.hex()}});
  }
  return list;
}

std::string_view name_of(EvalStrategy strategy) {
  switch (strategy) {
    case EvalStrategy::kNo:
      return "no";
    case EvalStrategy::kSteps:
      return "steps";
    case EvalStrategy::kEpoch:
      return "epoch";
  }
  return "?";
}

Result<json> stage_identity(const SftStage& stage, const SftStageFacts& facts) {
  PROSODIA_ASSIGN(const json datasets, datasets_identity(stage.datasets));
  PROSODIA_ASSIGN(const json eval_datasets, files_identity(stage.eval_datasets));
  PROSODIA_ASSIGN(const std::string metric, best_metric_name(stage));
  return json{{"name", stage.name},
              {"dataset", datasets},
              {"per_device_train_batch_size x gradient_accumulation_steps x ranks", facts.global_batch},
              {"max_steps", facts.max_steps},
              {"learning_rate", stage.learning_rate},
              {"lr_scheduler_type", name(stage.lr_scheduler_type)},
              {"warmup_steps", stage.warmup_steps},
              {"warmup_ratio", stage.warmup_ratio},
              {"adam_beta1", stage.adamw.beta1},
              {"adam_beta2", stage.adamw.beta2},
              {"adam_epsilon", stage.adamw.eps},
              {"weight_decay", stage.adamw.weight_decay},
              {"max_grad_norm", stage.adamw.max_grad_norm},
              {"freeze", stage.freeze.words()},
              {"targets", stage.targets},
              {"token_budget", stage.max_tokens_per_micro_batch},
              {"eval_dataset", eval_datasets},
              {"eval_strategy", name_of(stage.eval_strategy)},
              {"eval_steps", stage.eval_steps},
              {"load_best_model_at_end", stage.load_best_model_at_end},
              {"metric_for_best_model", metric},
              {"greater_is_better", greater_is_better(stage)},
              {"early_stopping_patience", stage.early_stopping_patience},
              {"early_stopping_threshold", stage.early_stopping_threshold}};
}

std::string stage_title(const json& stages, size_t index) {
  if (stages.size() == 1) return {};
  const std::string name = stages[index].value("name", std::string());
  return fmt::format("stage {}{}: ", index + 1, name.empty() ? "" : " (" + name + ")");
}

}  // namespace

Result<json> sft_identity(const SftOptions& options, std::span<const SftStage> stages,
                          std::span<const SftStageFacts> facts, const Model& model) {
  json list = json::array();
  for (size_t i = 0; i < stages.size(); ++i) {
    PROSODIA_ASSIGN(json one, stage_identity(stages[i], facts[i]));
    list.push_back(std::move(one));
  }
  PROSODIA_ASSIGN(const std::vector<Digest> digests, model_digests({options.model_dir, options.model.adapter_dir}));
  json models = json::array();
  for (const Digest& digest : digests) models.push_back(digest.hex());
  json identity = {{"seed", options.seed},
                   {"max_length", options.max_length},
                   {"dtype", options.model.dtype},
                   {"model", models},
                   {"stages", std::move(list)}};
  identity["use_peft"] = model.has_adapter();
  if (model.has_adapter()) {
    const LoraOptions& lora = model.adapter_options();
    identity["lora_r"] = lora.r;
    identity["lora_alpha"] = lora.lora_alpha;
    identity["use_rslora"] = lora.use_rslora;
  }
  return identity;
}

std::optional<JsonDifference> first_difference(const json& before, const json& now) {
  if (!before.is_object() || !before.contains("stages") || !before["stages"].is_array())
    return JsonDifference{"format of the run's record", "of another version of prosodia", "this version's"};
  const json &old_stages = before["stages"], &new_stages = now.at("stages");
  if (old_stages.size() != new_stages.size())
    return JsonDifference{"number of stages", fmt::format("{}", old_stages.size()),
                          fmt::format("{}", new_stages.size())};
  for (size_t i = 0; i < new_stages.size(); ++i) {
    auto difference = first_differing_key(old_stages[i], new_stages[i]);
    if (!difference) continue;
    difference->key = stage_title(new_stages, i) + difference->key;
    return difference;
  }
  json old_rest = before, new_rest = now;
  old_rest.erase("stages");
  new_rest.erase("stages");
  for (const auto& [key, value] : old_rest.items())
    if (!new_rest.contains(key)) new_rest[key] = json();  // an adapter that is no longer asked for
  // Before the options that come with it.
  const json old_peft = {{"use_peft", old_rest.value("use_peft", json())}},
             new_peft = {{"use_peft", new_rest["use_peft"]}};
  if (auto difference = first_differing_key(old_peft, new_peft)) return difference;
  return first_differing_key(old_rest, new_rest);
}

}  // namespace prosodia
