#include "workers/model/processor.h"

#include <list>
#include <mutex>
#include <unordered_map>

#include "data/base/check.h"
#include "data/base/json.h"
#include "data/store/fs.h"
#include "data/text/chat.h"
#include "workers/model/config.h"
#include "workers/model/model.h"

namespace prosodia {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// Least-recently-used log-mels up to a byte limit.
class MelCache {
 public:
  explicit MelCache(size_t max_bytes) : max_bytes_(max_bytes) {}

  std::shared_ptr<const LogMel> find(const std::string& ref) {
    const std::lock_guard lock(mutex_);
    const auto found = by_ref_.find(ref);
    if (found == by_ref_.end()) return nullptr;
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->mel;
  }
  void insert(const std::string& ref, const std::shared_ptr<const LogMel>& mel) {
    const std::lock_guard lock(mutex_);
    const size_t size = mel->values.size() * sizeof(float);
    if (size > max_bytes_ || by_ref_.contains(ref)) return;
    entries_.push_front({ref, mel, size});
    by_ref_[ref] = entries_.begin();
    bytes_ += size;
    while (bytes_ > max_bytes_) {
      bytes_ -= entries_.back().bytes;
      by_ref_.erase(entries_.back().ref);
      entries_.pop_back();
    }
  }

 private:
  struct Entry {
    std::string ref;
    std::shared_ptr<const LogMel> mel;
    size_t bytes;
  };
  const size_t max_bytes_;
  std::mutex mutex_;
  std::list<Entry> entries_;  // most recent first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_ref_;
  size_t bytes_ = 0;
};

Result<json> read_json(const fs::path& path) {
  PROSODIA_ASSIGN(const std::string text, posix_file_system().read_text(path));
  return parse_json_object(text, path.string());
}

Status read_option(const json& object, const char* key, const std::string& where, int& value) {
  if (!object.contains(key)) return {};
  if (!object[key].is_number_integer() || object[key].get<int64_t>() < 1 || object[key].get<int64_t>() > 1 << 20) {
    return fail(ErrorCode::kInvalidInput, "{}: `{}` is {}, expected a positive integer", where, key,
                object[key].dump());
  }
  value = object[key].get<int>();
  return {};
}

// preprocessor_config.json, or `feature_extractor` in processor_config.json (transformers 5). Without either: the
// published model's values.
Result<LogMelOptions> read_audio_options(const fs::path& model_dir) {
  LogMelOptions options;
  FileSystem& files = posix_file_system();
  json object;
  fs::path path = model_dir / "preprocessor_config.json";
  PROSODIA_ASSIGN(bool present, files.exists(path));
  if (present) {
    PROSODIA_ASSIGN(object, read_json(path));
  } else {
    path = model_dir / "processor_config.json";
    PROSODIA_ASSIGN(present, files.exists(path));
    if (!present) return options;
    PROSODIA_ASSIGN(object, read_json(path));
  }
  if (object.contains("feature_extractor") && object["feature_extractor"].is_object()) {
    object = json(object["feature_extractor"]);
  }
  const std::string where = path.string();
  PROSODIA_TRY(read_option(object, "feature_size", where, options.num_mel_bins));
  PROSODIA_TRY(read_option(object, "n_fft", where, options.n_fft));
  PROSODIA_TRY(read_option(object, "hop_length", where, options.hop_length));
  PROSODIA_TRY(read_option(object, "chunk_length", where, options.chunk_length_s));
  PROSODIA_TRY(read_option(object, "sampling_rate", where, options.sampling_rate_hz));
  if (options.sampling_rate_hz != kSpeechRateHz || options.n_fft % 2 != 0) {
    return fail(ErrorCode::kInvalidInput, "{}: `sampling_rate` {} and `n_fft` {}, expected {} and an even number",
                where, options.sampling_rate_hz, options.n_fft, kSpeechRateHz);
  }
  return options;
}

Status check_audio_id(const ModelConfig& config, const Tokenizer& tokenizer, const fs::path& model_dir) {
  const auto id = tokenizer.token_id(kAudio);
  if (id && *id == config.audio_token_id) return {};
  return fail(
      ErrorCode::kInvalidInput,
      "{}: the tokenizer has {} for {}, but config.json says `audio_token_index` {}. The tokenizer files belong to "
      "another model",
      model_dir.string(), id ? std::to_string(*id) : "no id", kAudio, config.audio_token_id);
}

std::vector<ChatTurn> to_turns(const Sample& sample, bool generation_prompt) {
  std::vector<ChatTurn> turns;
  size_t count = sample.messages.size();
  if (generation_prompt && sample.ends_with_assistant()) --count;
  for (size_t i = 0; i < count; ++i) {
    const Message& message = sample.messages[i];
    turns.push_back({message.role, split_audio_tags(message.content)});
  }
  return turns;
}

size_t audio_items(const std::vector<ChatTurn>& turns) {
  size_t count = 0;
  for (const ChatTurn& turn : turns) {
    for (const ChatItem& item : turn.items) count += item.kind == ChatItem::kAudio;
  }
  return count;
}

}  // namespace

struct Processor::Impl {
  Tokenizer tokenizer;
  LogMelExtractor extractor;
  std::shared_ptr<AudioStore> audio;
  bool has_audio_tower;
  MelCache cache;
};

Processor::Processor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Processor::~Processor() = default;

Result<std::unique_ptr<Processor>> Processor::load(const fs::path& dir, std::shared_ptr<AudioStore> audio,
                                                   const ProcessorOptions& options) {
  PROSODIA_ASSIGN(const fs::path model_dir, base_model_dir(dir));
  PROSODIA_ASSIGN(const ModelConfig config, ModelConfig::load(model_dir));
  PROSODIA_ASSIGN(Tokenizer tokenizer, Tokenizer::load(model_dir));
  PROSODIA_ASSIGN(const LogMelOptions audio_options, read_audio_options(model_dir));
  if (tokenizer.vocab_size() > config.text.vocab_size) {
    return fail(ErrorCode::kInvalidInput, "{}: the tokenizer has {} ids, but `vocab_size` is {}", model_dir.string(),
                tokenizer.vocab_size(), config.text.vocab_size);
  }
  if (config.audio) {
    PROSODIA_TRY(check_audio_id(config, tokenizer, model_dir));
    if (audio_options.num_mel_bins != config.audio->num_mel_bins) {
      return fail(ErrorCode::kInvalidInput,
                  "{}: the preprocessor makes {} mel bins (`feature_size`), the model takes {}", model_dir.string(),
                  audio_options.num_mel_bins, config.audio->num_mel_bins);
    }
  }
  return std::unique_ptr<Processor>(new Processor(
      std::unique_ptr<Impl>(new Impl{std::move(tokenizer), LogMelExtractor(audio_options), std::move(audio),
                                     config.audio.has_value(), MelCache(options.mel_cache_bytes)})));
}

Result<std::shared_ptr<const LogMel>> Processor::log_mel(const std::string& audio_ref) const {
  if (auto cached = impl_->cache.find(audio_ref)) return cached;
  if (!impl_->audio) return fail(ErrorCode::kInvalidInput, "{}: no audio can be read here", audio_ref);
  PROSODIA_ASSIGN(const auto clip, impl_->audio->load(audio_ref));
  auto mel = impl_->extractor.extract(clip->samples);
  if (!mel) return wrap(mel.error(), audio_ref);
  auto shared = std::make_shared<const LogMel>(std::move(*mel));
  impl_->cache.insert(audio_ref, shared);
  return shared;
}

Result<EncodedPrompt> Processor::encode(const Sample& sample, bool generation_prompt) const {
  const auto at_line = [&](const Error& error) { return wrap(error, sample.origin); };
  const std::vector<ChatTurn> turns = to_turns(sample, generation_prompt);
  if (turns.empty()) return fail(ErrorCode::kInvalidInput, "{}: no turn before the response", sample.origin);
  const size_t items = audio_items(turns);
  if (items != sample.audios.size()) {
    return fail(ErrorCode::kInvalidInput, "{}: {} `<audio>` tags, but {} `audios`", sample.origin, items,
                sample.audios.size());
  }
  if (items > 0 && !impl_->has_audio_tower) {
    return fail(ErrorCode::kInvalidInput, "{}: the row has audio, but the model is text-only", sample.origin);
  }
  EncodedPrompt prompt;
  std::vector<int64_t> counts;
  for (const std::string& ref : sample.audios) {
    auto mel = log_mel(ref);
    if (!mel) return at_line(mel.error());
    const int64_t tokens = num_audio_tokens((*mel)->num_frames);
    if (tokens < 1) {
      return fail(ErrorCode::kInvalidInput, "{}: {}: {} mel frames give no audio token, expected at least 3 frames",
                  sample.origin, ref, (*mel)->num_frames);
    }
    counts.push_back(tokens);
    prompt.clips.push_back(std::move(*mel));
  }
  auto chat = encode_chat(impl_->tokenizer, turns, counts, generation_prompt);
  if (!chat) return at_line(chat.error());
  prompt.token_ids = std::move(chat->token_ids);
  prompt.assistant_mask = std::move(chat->assistant_mask);
  return prompt;
}

const Tokenizer& Processor::tokenizer() const { return impl_->tokenizer; }

int32_t Processor::im_end_id() const {
  const auto id = impl_->tokenizer.token_id(kImEnd);
  PROSODIA_CHECK(id.has_value(), "the tokenizer has no {}", kImEnd);
  return *id;
}

std::vector<int32_t> Processor::stop_ids() const {
  std::vector<int32_t> ids;
  for (const std::string_view name : {kImEnd, kEndOfText}) {
    if (const auto id = impl_->tokenizer.token_id(name)) ids.push_back(*id);
  }
  return ids;
}

}  // namespace prosodia
