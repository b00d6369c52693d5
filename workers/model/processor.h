// Processor: a dataset row -> token ids and log-mels. Tokenizer, chat template and audio front end behind one call, so
// that training, sampling and scoring see exactly the same ids and features.
//
// Callers: every command that reads a dataset. Thread rule: const functions are thread-safe. Failure rule: a row whose
// `<audio>` tags do not match its `audios`, whose audio cannot be read or is too short, gives kInvalidInput naming
// the row's file and line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/audio/log_mel.h"
#include "data/base/status.h"
#include "data/corpus/audio_store.h"
#include "data/corpus/dataset.h"
#include "data/text/tokenizer.h"

namespace prosodia {

struct EncodedPrompt {
  std::vector<int32_t> token_ids;                    // audio placeholders already repeated
  std::vector<std::shared_ptr<const LogMel>> clips;  // in prompt order
  std::vector<uint8_t> assistant_mask;               // per token: 1 on assistant content and its <|im_end|>
};

struct ProcessorOptions {
  size_t mel_cache_bytes =
      size_t{256} << 20;  // log-mels kept by reference, least recently used dropped first; 0 = none
};

class Processor {
 public:
  // Reads the tokenizer and preprocessor_config.json (or processor_config.json) of a model folder (of an adapter
  // folder: its base's). `audio` may be null for text-only work.
  static Result<std::unique_ptr<Processor>> load(const std::filesystem::path& model_dir,
                                                 std::shared_ptr<AudioStore> audio,
                                                 const ProcessorOptions& options = {});
  ~Processor();

  // The row as a conversation. With `generation_prompt` a trailing assistant turn is dropped and the assistant header
  // is opened instead, so the ids end where sampling begins.
  Result<EncodedPrompt> encode(const Sample& sample, bool generation_prompt) const;

  Result<std::shared_ptr<const LogMel>> log_mel(const std::string& audio_ref) const;  // cached

  const Tokenizer& tokenizer() const;
  int32_t im_end_id() const;              // <|im_end|>: the usual stop
  std::vector<int32_t> stop_ids() const;  // {<|im_end|>, <|endoftext|>}, those that exist

 private:
  struct Impl;
  explicit Processor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace prosodia
