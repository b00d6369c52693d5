#include "orchestrator/cli/commands/reasoning_writers.h"

#include "data/builders/jsonl_writer.h"
#include "data/builders/model_writer.h"
#include "orchestrator/cli/commands/model_options.h"
#include "reward/faithfulness.h"
#include "reward/plausibility.h"
#include "reward/rules.h"
#include "workers/rollout/generate.h"

namespace prosodia::cli {
namespace {

constexpr size_t kMinBytes = 40, kMaxBytes = 2000;  // of a reasoning text

Result<std::vector<std::string>> sample_texts(const LoadedModel& loaded, InferOptions infer_options,
                                              const std::vector<std::vector<Message>>& prompts, uint64_t seed) {
  infer_options.seed = seed;
  std::vector<Sample> samples(prompts.size());
  for (size_t i = 0; i < prompts.size(); ++i) {
    samples[i].messages = prompts[i];
    samples[i].row = nlohmann::json::object();
    samples[i].origin = fmt::format("writing prompt {}", i + 1);
  }
  std::vector<std::string> texts(prompts.size());
  PROSODIA_TRY(infer(*loaded.model, *loaded.processor, samples, infer_options,
                     [&](size_t index, const nlohmann::json& row) -> Status {
                       texts.at(index) = row.at("completions").at(0).at("text").get<std::string>();
                       return {};
                     }));
  return texts;
}

Result<std::unique_ptr<ReasoningWriter>> open_model_writer(const Options& options, const std::string& dir,
                                                           const CommandContext& context) {
  configure_torch(options);
  PROSODIA_ASSIGN(LoadedModel loaded, open_model(dir, model_options(options)));
  InferOptions infer_options;
  infer_options.sampling = sampling_params(options, /*greedy=*/false);
  infer_options.engine.max_rows = static_cast<int>(options.integer("max_rows"));
  infer_options.num_generations = 1;
  infer_options.stop = &context.stop;
  const ModelWriterOptions writer_options{std::filesystem::path(dir).lexically_normal().filename().string(),
                                          static_cast<int>(options.integer("writer_retries")),
                                          static_cast<uint64_t>(options.integer("seed"))};
  return std::make_unique<ModelWriter>(
      writer_options,
      [loaded = std::make_shared<LoadedModel>(std::move(loaded)), infer_options](const auto& prompts, uint64_t seed) {
        return sample_texts(*loaded, infer_options, prompts, seed);
      },
      objection_to);
}

// Nothing, or what is wrong with the claims.
std::optional<std::string> claims_objection(std::string_view reasoning, const ProsodyLevels& cues) {
  const std::vector<Claim> claims = parse_claims(reasoning);
  const Faithfulness truth = check_claims(claims, cues);
  if (truth.true_claims < truth.checkable || truth.contradictions > 0) return "a claim contradicts the cues";
  if (truth.true_claims == 0) return "no cue is stated";
  for (const Claim& claim : claims) {
    const bool unmarked = claim.attribute == Attribute::kVoice && claim.level == "normal";
    if (!claim.negated && !unmarked && cues[claim.attribute].empty()) return "a cue is invented";
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> objection_to(std::string_view response, const ReasoningRequest& request) {
  if (!format_reward(response)) return "not <think>…</think><answer>…</answer>";
  if (!answer_matches(response, request.emotion)) return "another answer than the label";
  const std::string_view reasoning = reasoning_text(response);
  if (reasoning.size() < kMinBytes) return "too short";
  if (reasoning.size() > kMaxBytes) return "too long";
  if (const auto objection = claims_objection(reasoning, request.cues)) return objection;
  const auto named = last_emotion_named(reasoning), wanted = emotion_from_text(request.emotion);
  if (named && wanted && *named != *wanted) return "ends on another emotion";
  return std::nullopt;
}

Result<std::unique_ptr<ReasoningWriter>> open_reasoning_writer(const Options& options, const CommandContext& context) {
  const std::string& writer = options.text("writer");
  static constexpr std::string_view kModel = "model:", kJsonl = "jsonl:";
  if (writer == "grammar") return std::unique_ptr<ReasoningWriter>();
  if (writer.starts_with(kModel) && writer.size() > kModel.size()) {
    return open_model_writer(options, writer.substr(kModel.size()), context);
  }
  if (writer.starts_with(kJsonl) && writer.size() > kJsonl.size()) {
    PROSODIA_ASSIGN(std::unique_ptr<ReasoningWriter> opened, JsonlWriter::open(writer.substr(kJsonl.size())));
    return opened;
  }
  return fail(ErrorCode::kUsage, "--writer {}: expected grammar, model:DIR or jsonl:FILE", writer);
}

}  // namespace prosodia::cli
