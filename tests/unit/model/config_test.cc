#include "workers/model/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace prosodia {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

json thinker_json() {
  return json::parse(R"({
    "model_type": "qwen2_5_omni_thinker", "audio_token_index": 151646, "tie_word_embeddings": false,
    "text_config": {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "num_attention_heads": 28,
      "num_key_value_heads": 4, "vocab_size": 152064, "rms_norm_eps": 1e-06, "hidden_act": "silu",
      "use_sliding_window": false, "sliding_window": 32768, "max_window_layers": 28,
      "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0, "mrope_section": [16, 24, 24]}},
    "audio_config": {"d_model": 1280, "encoder_layers": 32, "encoder_attention_heads": 20, "encoder_ffn_dim": 5120,
      "output_dim": 3584, "activation_function": "gelu", "scale_embedding": false, "dropout": 0.0}})");
}

ModelConfig parse(const json& object) {
  auto config = ModelConfig::parse(object, "config.json");
  EXPECT_TRUE(config) << config.error().message;
  return config.value_or(ModelConfig{});
}

std::string refusal(const json& object) {
  auto config = ModelConfig::parse(object, "config.json");
  EXPECT_FALSE(config);
  if (config) return "";
  EXPECT_EQ(config.error().code, ErrorCode::kInvalidInput);
  return config.error().message;
}

TEST(ModelConfig, ThinkerInNewSpelling) {
  const ModelConfig config = parse(thinker_json());
  EXPECT_EQ(config.layout, ModelLayout::kThinker);
  EXPECT_EQ(config.text.head_dim, 128);
  EXPECT_EQ(config.text.rope_theta, 500000.0);
  EXPECT_THAT(config.text.mrope_section, ElementsAre(16, 24, 24));
  EXPECT_EQ(config.audio->head_dim(), 64);
  EXPECT_EQ(config.tie_word_embeddings, false);
  EXPECT_EQ(config.tensor_prefix(), "");
}

TEST(ModelConfig, WholeOmniInOldSpelling) {
  json thinker = thinker_json();
  thinker.erase("tie_word_embeddings");
  json& text = thinker["text_config"];
  text.erase("rope_parameters");
  text["rope_theta"] = 1000000.0;
  text["rope_scaling"] = {{"mrope_section", {16, 24, 24}}, {"rope_type", "default"}, {"type", "default"}};
  const ModelConfig config = parse({{"model_type", "qwen2_5_omni"},
                                    {"torch_dtype", "bfloat16"},
                                    {"thinker_config", thinker},
                                    {"talker_config", {{"anything", 1}}}});
  EXPECT_EQ(config.layout, ModelLayout::kOmni);
  EXPECT_EQ(config.text.rope_theta, 1000000.0);
  EXPECT_THAT(config.text.mrope_section, ElementsAre(16, 24, 24));
  EXPECT_EQ(config.tie_word_embeddings, std::nullopt);
  EXPECT_EQ(config.tensor_prefix(), "thinker.");
}

TEST(ModelConfig, PlainQwen2) {
  const ModelConfig config = parse({{"model_type", "qwen2"},
                                    {"hidden_size", 896},
                                    {"intermediate_size", 4864},
                                    {"num_hidden_layers", 24},
                                    {"num_attention_heads", 14},
                                    {"num_key_value_heads", 2},
                                    {"vocab_size", 151936},
                                    {"rope_theta", 1000000.0},
                                    {"tie_word_embeddings", true}});
  EXPECT_EQ(config.layout, ModelLayout::kQwen2);
  EXPECT_FALSE(config.audio);
  EXPECT_EQ(config.text.head_dim, 64);
  EXPECT_EQ(config.audio_token_id, -1);
  EXPECT_EQ(config.tie_word_embeddings, true);
}

struct Refusal {
  const char* pointer;  // JSON pointer of the key to set
  json value;
  const char* named;  // what the message must name
};

class ModelConfigRefusal : public testing::TestWithParam<Refusal> {};

TEST_P(ModelConfigRefusal, NamesTheKey) {
  json object = thinker_json();
  object[json::json_pointer(GetParam().pointer)] = GetParam().value;
  const std::string message = refusal(object);
  EXPECT_THAT(message, HasSubstr(GetParam().named));
  EXPECT_THAT(message, HasSubstr("config.json"));
}

INSTANTIATE_TEST_SUITE_P(
    Values, ModelConfigRefusal,
    testing::Values(Refusal{"/model_type", "llama", "model_type"},
                    Refusal{"/text_config/use_sliding_window", true, "use_sliding_window"},
                    Refusal{"/text_config/rope_parameters/rope_type", "yarn", "rope_parameters.rope_type"},
                    Refusal{"/text_config/rope_scaling", {{"type", "linear"}, {"factor", 2}}, "rope_scaling.type"},
                    Refusal{"/text_config/rope_parameters/mrope_section", {16, 24, 23}, "mrope_section"},
                    Refusal{"/text_config/rope_parameters/mrope_interleaved", true, "mrope_interleaved"},
                    Refusal{"/text_config/rope_parameters/full_attention",
                            {{"rope_type", "default"}},
                            "rope_parameters.full_attention"},
                    Refusal{"/text_config/rope_parameters/rope_theta", "big", "rope_theta"},
                    Refusal{"/text_config/rope_parameters/partial_rotary_factor", 0.5, "partial_rotary_factor"},
                    Refusal{"/architectures", {"Qwen2_5OmniTalkerForConditionalGeneration"}, "architectures"},
                    Refusal{"/tie_word_embeddings", "yes", "tie_word_embeddings"},
                    Refusal{"/text_config/tie_word_embeddings", 1, "tie_word_embeddings"},
                    Refusal{"/text_config/hidden_act", "gelu", "hidden_act"},
                    Refusal{"/text_config/hidden_size", "big", "hidden_size"},
                    Refusal{"/text_config/num_key_value_heads", 5, "num_key_value_heads"},
                    Refusal{"/text_config/layer_types", {"sliding_attention"}, "layer_types"},
                    Refusal{"/text_config/attention_dropout", 0.1, "attention_dropout"},
                    Refusal{"/text_config/vocab_size", nullptr, "vocab_size"},
                    Refusal{"/audio_config/activation_function", "relu", "activation_function"},
                    Refusal{"/audio_config/scale_embedding", true, "scale_embedding"},
                    Refusal{"/audio_config/output_dim", 1024, "output_dim"},
                    Refusal{"/audio_config/encoder_attention_heads", 21, "encoder_attention_heads"},
                    Refusal{"/audio_config", nullptr, "audio_config"},
                    Refusal{"/audio_token_index", 152064, "audio_token_index"},
                    Refusal{"/quantization_config", {{"bits", 4}}, "quantization_config"}));

TEST(ModelConfig, TiesWhenEitherLevelSaysSo) {
  json object = thinker_json();  // says false
  object["text_config"]["tie_word_embeddings"] = true;
  EXPECT_EQ(parse(object).tie_word_embeddings, true);
  object.erase("tie_word_embeddings");
  EXPECT_EQ(parse(object).tie_word_embeddings, true);
  object["text_config"]["tie_word_embeddings"] = false;
  EXPECT_EQ(parse(object).tie_word_embeddings, false);
}

TEST(ModelConfig, BothNamesOfTheArchitectureAndOnlyTheRightTask) {
  for (const char* name : {"Qwen2_5OmniModel", "Qwen2_5OmniForConditionalGeneration"})
    parse({{"model_type", "qwen2_5_omni"}, {"architectures", {name}}, {"thinker_config", thinker_json()}});
  json object = thinker_json();
  object["architectures"] = {"Qwen2_5OmniThinkerForConditionalGeneration"};
  parse(object);
  json qwen = {{"model_type", "qwen2"},
               {"hidden_size", 8},
               {"intermediate_size", 8},
               {"num_hidden_layers", 1},
               {"num_attention_heads", 1},
               {"vocab_size", 16},
               {"architectures", {"Qwen2ForCausalLM"}}};
  parse(qwen);
  qwen["architectures"] = {"Qwen2ForSequenceClassification"};
  EXPECT_THAT(refusal(qwen), HasSubstr("Qwen2ForSequenceClassification"));
}

TEST(ModelConfig, StatesDtypeAndTyingInTheFilesOwnSpelling) {
  json omni = {{"model_type", "qwen2_5_omni"},
               {"torch_dtype", "bfloat16"},
               {"thinker_config", thinker_json()},
               {"talker_config", {{"torch_dtype", "bfloat16"}}}};
  omni["thinker_config"]["text_config"]["torch_dtype"] = "bfloat16";
  set_dtype(omni, DType::F32);
  EXPECT_EQ(omni["torch_dtype"], "float32");
  EXPECT_FALSE(omni.contains("dtype"));
  EXPECT_EQ(omni["thinker_config"]["text_config"]["torch_dtype"], "float32");
  EXPECT_EQ(omni["talker_config"]["torch_dtype"], "bfloat16") << "its tensors are not ours";
  json qwen = {{"model_type", "qwen2"}};
  set_dtype(qwen, DType::BF16);
  EXPECT_EQ(qwen["dtype"], "bfloat16");
  omni["thinker_config"]["text_config"]["tie_word_embeddings"] = false;
  set_tied(omni, true);
  EXPECT_EQ(omni["thinker_config"]["tie_word_embeddings"], true);
  EXPECT_EQ(omni["thinker_config"]["text_config"]["tie_word_embeddings"], true);
}

TEST(ModelConfig, WritesWhatItReads) {
  for (const ModelLayout layout : {ModelLayout::kOmni, ModelLayout::kThinker}) {
    ModelConfig config = parse(thinker_json());
    config.source = nullptr;  // a fresh file
    config.layout = layout;
    const ModelConfig again = parse(config.to_json());
    EXPECT_EQ(again.layout, layout);
    EXPECT_EQ(again.text.num_key_value_heads, 4);
    EXPECT_EQ(again.text.rope_theta, 500000.0);
    EXPECT_THAT(again.text.mrope_section, ElementsAre(16, 24, 24));
    EXPECT_EQ(again.audio->d_model, 1280);
    EXPECT_EQ(again.tie_word_embeddings, false);
  }
}

TEST(ModelConfig, MissingFolderSaysWhatWasExpected) {
  const auto config = ModelConfig::load("/nonexistent");
  ASSERT_FALSE(config);
  EXPECT_THAT(config.error().message, HasSubstr("/nonexistent/config.json"));
}

}  // namespace
}  // namespace prosodia
