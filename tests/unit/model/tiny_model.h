// Small models, tokenizers and clips for the tests of workers/model and workers/rollout.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "data/audio/clip.h"
#include "data/base/philox.h"
#include "data/text/bpe_trainer.h"
#include "workers/model/create.h"
#include "workers/model/model.h"

namespace prosodia::testing_support {

template <class T>
T value_of(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}
inline void ok(const Status& status) {
  if (!status) throw std::runtime_error(status.error().message);
}

// A folder of its own for one test, removed at its end.
class TempDir {
 public:
  TempDir() {
    std::string pattern = (std::filesystem::temp_directory_path() / "prosodia-test-XXXXXX").string();
    path_ = mkdtemp(pattern.data());
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline Tokenizer tiny_tokenizer() {
  return value_of(train_bpe({"<think>The pitch is high and the speech is fast.</think><answer>happy</answer>",
                             "What is the emotion of the speaker? Answer with one word: happy, sad or angry.",
                             "The voice is low and slow, so the speaker is sad.", "You are a helpful assistant."},
                            340, omni_added_tokens()));
}

inline CreateOptions tiny_options() {
  return {.audio_d_model = 32,
          .audio_layers = 1,
          .audio_heads = 2,
          .text_hidden = 48,
          .text_layers = 2,
          .text_heads = 4,
          .text_kv_heads = 2,
          .text_intermediate = 80,
          .max_position_embeddings = 512,
          .seed = 7};
}

// Weights far larger than a fresh model's, so that distributions are peaked and mistakes show.
inline void roughen(Model& model, uint64_t seed = 11) {
  PhiloxStream noise(seed);
  for (NamedParameter& parameter : model.parameters()) {
    float* values = parameter.tensor.data_ptr<float>();
    const float scale = parameter.tensor.dim() > 1 ? 0.2f : 0.1f;
    for (int64_t i = 0; i < parameter.tensor.numel(); ++i) values[i] += scale * noise.next_normal();
  }
}

inline std::unique_ptr<Model> tiny_model(const Tokenizer& tokenizer) {
  auto model = Model::random(value_of(make_config(tiny_options(), tokenizer)), 7);
  roughen(*model);
  return model;
}

inline LogMel random_mel(int64_t frames, uint64_t seed, int bins = 128) {
  PhiloxStream noise(seed);
  LogMel mel{bins, frames, std::vector<float>(static_cast<size_t>(bins * frames))};
  for (float& value : mel.values) value = noise.next_normal();
  return mel;
}

inline void write_tone(const std::filesystem::path& path, double seconds, double hertz = 220) {
  AudioClip clip;
  clip.samples.resize(static_cast<size_t>(seconds * clip.sample_rate_hz));
  for (size_t i = 0; i < clip.samples.size(); ++i) {
    clip.samples[i] =
        static_cast<float>(0.3 * std::sin(2 * M_PI * hertz * static_cast<double>(i) / clip.sample_rate_hz));
  }
  ok(write_wav(path, clip));
}

}  // namespace prosodia::testing_support
