// Writes the seeds among the stored inputs: `make_fuzz_corpus tests/fuzz/corpus`. Small valid inputs of every format,
// from the product's own writers where it has one. Inputs that fuzzing found lie beside them under other names and are
// left alone.
#include <sndfile.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "data/base/bytes.h"
#include "data/corpus/corpus.h"
#include "data/corpus/rm_card.h"
#include "data/corpus/rm_row.h"
#include "data/store/checkpoint_dir.h"
#include "data/store/journal_format.h"
#include "data/store/model_tensors.h"
#include "data/text/bpe_trainer.h"
#include "data/text/tokenizer_json.h"
#include "orchestrator/cli/options.h"
#include "orchestrator/coordinator/archive.h"
#include "tests/unit/protocol/samples.h"

namespace prosodia::fuzz {
namespace {

namespace fs = std::filesystem;
using Bytes = std::span<const std::byte>;

class Seeds {
 public:
  explicit Seeds(fs::path root) : root_(std::move(root)) {}
  void put(const std::string& target, const std::string& name, Bytes bytes) const {
    fs::create_directories(root_ / target);
    std::ofstream(root_ / target / ("seed-" + name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  }
  void put(const std::string& target, const std::string& name, std::string_view text) const {
    put(target, name, std::as_bytes(std::span(text)));
  }
  // With a byte in front that chooses how the target reads the rest.
  void put(const std::string& target, const std::string& name, uint8_t choice, std::string_view text) const {
    put(target, name, std::string(1, static_cast<char>(choice)) + std::string(text));
  }

 private:
  fs::path root_;
};

std::string text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::string file_text(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void protocol_seeds(const Seeds& seeds) {
  uint8_t index = 0;
  protocol::testing::for_each_message([&](const auto& message) {
    const auto payload = protocol::encode(message);
    seeds.put("message", fmt::format("{:02}", index), index, text_of(payload));
    using M = std::decay_t<decltype(message)>;
    if constexpr (requires { M::kType; }) {
      protocol::FrameHeader header;
      header.run_id = RunId(77);
      header.sender_epoch = WorkerEpoch(5);
      header.seq = index + 1;
      seeds.put("frame", fmt::format("{:02}", index), protocol::encode_message(header, message));
      ByteWriter steps;  // frame_fuzz.cc's feed_client: type, run, epoch, lease, seq, length, payload
      for (const auto byte : {static_cast<uint8_t>(M::kType), uint8_t{1}, uint8_t{1}, uint8_t{1}, uint8_t{1}})
        steps.put(byte);
      steps.put(static_cast<uint16_t>(std::min<size_t>(payload.size(), 400)));
      steps.put_bytes(std::span(payload).first(std::min<size_t>(payload.size(), 400)));
      seeds.put("frame", fmt::format("client-{:02}", index), steps.view());
    }
    ++index;
  });
  for (int i = 0; i < 3; ++i) {
    ByteWriter bulk;  // chunk size, window, length, truth, then lies
    bulk.put<uint8_t>(15);
    bulk.put<uint8_t>(3);
    bulk.put<uint16_t>(100);
    for (uint8_t b = 0; b < 100; ++b) bulk.put(b);
    for (int n = 0; n < 40; ++n) bulk.put<uint8_t>(static_cast<uint8_t>(i * n % 10));
    seeds.put("bulk", std::to_string(i), bulk.view());
  }
}

void store_seeds(const Seeds& seeds, const fs::path& scratch) {
  FileSystem& files = posix_file_system();
  const std::vector<std::byte> data(24, std::byte{1});
  const std::vector<TensorView> tensors = {
      {"a", DType::F32, {2, 3}, data}, {"b.weight", DType::BF16, {12}, data}, {"empty", DType::I64, {0}, {}}};
  (void)write_safetensors(files, scratch / "m.safetensors", tensors, {{"format", "pt"}});
  const std::string whole = file_text(scratch / "m.safetensors");
  seeds.put("safetensors", "file", whole);
  const size_t header_bytes = whole.size() - 8 - 48;
  seeds.put("safetensors", "header", 48, whole.substr(8, header_bytes));
  seeds.put("safetensors", "scalar", 4, R"({"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})");

  (void)write_model_tensors(files, scratch / "sharded", tensors, {}, 30);
  seeds.put("model_index", "two", file_text(scratch / "sharded/model.safetensors.index.json"));
  seeds.put("model_index", "good",
            R"({"metadata":{"total_size":8},"weight_map":{"a":"model-00001-of-00001.safetensors"}})");
  seeds.put("model_index", "path", R"({"weight_map":{"a":"../model-00001-of-00001.safetensors","b":7}})");

  CheckpointStore store(files, scratch / "checkpoints");
  const auto working = store.begin(1);
  std::ofstream(*working / "a") << std::string(4, '\0');
  (void)store.commit(1, {{"policy_version", 1}, {"config_digest", "00"}});
  seeds.put("checkpoint", "committed", file_text(scratch / "checkpoints/step-000001/MANIFEST.json"));
  seeds.put("checkpoint", "no-files", R"({"format":"prosodia-checkpoint-1","step":1,"files":[],"extra":{}})");
  seeds.put(
      "checkpoint", "files",
      R"({"format":"prosodia-checkpoint-1","step":1,"files":[{"name":"a","bytes":4,"crc32c":1214729159}],"extra":null})");

  std::vector<std::byte> records;
  for (uint64_t lsn = 1; lsn <= 3; ++lsn) {
    journal_format::append_record(records, {.type = static_cast<uint16_t>(lsn), .lsn = lsn, .durable_lsn = lsn - 1},
                                  Bytes(data).first(5));
    journal_format::append_record(records, {.type = 0, .lsn = lsn, .durable_lsn = lsn}, {});
  }
  seeds.put("journal", "records", 0, text_of(records));
  seeds.put("journal", "torn", 0, text_of(records).substr(0, records.size() - 40));
  seeds.put("journal", "made", 1,
            std::string("\x05\x01\x00\x05\x00hello\x00\x01\x00\x02\x03\x00"
                        "abc\x00\x00\x02\x00\x03\x00xyz",
                        32));
}

void text_seeds(const Seeds& seeds) {
  const auto tokenizer = train_bpe({"ab ab ab abc high high"}, 256 + 8 + 2,
                                   {{.content = "<|im_end|>"}, {.content = "<x>", .special = false}});
  const BpeModel& model = tokenizer->model();
  seeds.put("tokenizer", "json", 0, write_tokenizer_json(model, tokenizer->added_tokens(), true));
  seeds.put("tokenizer", "files", 1, write_vocab_json(model) + std::string(1, '\0') + write_merges_txt(model));
  seeds.put("tokenizer", "added", 2, R"({"<|im_end|>": 300, "<x>": 301})");
  seeds.put("tokenizer", "config", 3,
            R"({"added_tokens_decoder":{"300":{"content":"<|im_end|>","special":true,"lstrip":false}}})");
  seeds.put("text", "english", "The voice is high, isn't it? <audio>\n\n1234 <|im_end|><tool_call>");
  seeds.put("text", "scripts",
            "e\u0301 \u1112\u1161\u11AB \u0915\u093C \U0001F468\u200D\U0001F469 \u0645\u0631\u062D\u0628\u0627 \u3000 "
            "\u4F60\u597D");
  seeds.put("text", "bytes", "\xF0\x9F\x98 \xC0\xAF \xED\xA0\x80 \xFF");

  seeds.put("word_times", "textgrid", 0,
            "File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\nxmin = 0\nxmax = 1\ntiers? <exists>\nsize = 1\n"
            "item []:\n item [1]:\n class = \"IntervalTier\"\n name = \"words\"\n xmin = 0\n xmax = 1\n"
            " intervals: size = 2\n intervals [1]:\n xmin = 0\n xmax = 0.5\n text = \"say \"\"no\"\"\"\n"
            " intervals [2]:\n xmin = 0.5\n xmax = 1\n text = \"\"\n");
  seeds.put("word_times", "json", 1,
            R"({"segments":[{"words":[{"word":" a","start":0.1,"end":0.2},{"text":"b","start":0.2,"end":0.4}]}]})");
  seeds.put("word_times", "ctm", 2, ";; made\nu1 A 0.50 0.10 two 0.9\nu1 A 0.00 0.25 one\n");
  seeds.put("word_times", "transcript", 3, "Well, the \u00DCberraschung \u2014 don\u2019t mind; 42 (ye\u0073)!");

  seeds.put(
      "dataset", "rl",
      R"({"messages":[{"role":"user","content":"<audio>What is the emotion?"}],"audios":["a.wav"],"solution":"happy"})");
  seeds.put(
      "dataset", "corpus",
      R"({"messages":[{"role":"system","content":"s"},{"role":"user","content":"<audio><audio>"},{"role":"assistant","content":"x"}],"audios":["/d/C.h5#u1","b/../c.wav"],"extra":[1,{"a":null}]})");
  seeds.put("dataset", "two-lines",
            "\xEF\xBB\xBF{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n\n{\"messages\":[{\"role\":\"user\","
            "\"content\":\"b\"}],\"audios\":null}\n");
  seeds.put("dataset", "grades", rm_answer({4, 2, 5, 3}));
  seeds.put("dataset", "bad", R"({"messages":[{"role":"robot","content":1}],"audios":"a.wav"})");
}

void config_seeds(const Seeds& seeds) {
  const std::string text =
      R"("hidden_size":64,"intermediate_size":96,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"vocab_size":320,"rms_norm_eps":1e-6,"hidden_act":"silu","use_sliding_window":false,"layer_types":["full_attention"],"tie_word_embeddings":false)";
  const std::string rope =
      R"("rope_parameters":{"rope_theta":1000000.0,"rope_type":"default","mrope_section":[2,3,3]})";
  const std::string old_rope = R"("rope_theta":1000000.0,"rope_scaling":{"type":"mrope","mrope_section":[2,3,3]})";
  const std::string audio =
      R"("audio_config":{"d_model":32,"encoder_layers":2,"encoder_attention_heads":4,"encoder_ffn_dim":64,"num_mel_bins":128,"n_window":100,"max_source_positions":1500,"output_dim":64,"activation_function":"gelu","scale_embedding":false,"dropout":0.0})";
  const std::string thinker = R"("text_config":{)" + text + "," + rope + "}," + audio +
                              R"(,"audio_token_index":310,"audio_start_token_id":311,"audio_end_token_id":312)";
  seeds.put("model_config", "reward-model-card", rm_card_json({.prompt_style = PromptStyle::kShort, .loss = "digits"}));
  seeds.put("model_config", "thinker", R"({"model_type":"qwen2_5_omni_thinker",)" + thinker + "}");
  seeds.put("model_config", "omni",
            R"({"model_type":"qwen2_5_omni","thinker_config":{)" + thinker + R"(},"talker_config":{}})");
  seeds.put("model_config", "qwen2", R"({"model_type":"qwen2",)" + text + "," + old_rope + "}");

  for (const auto& [name, command] : {std::pair{"train", cli::kTrain}, {"sft", cli::kSft}, {"data", cli::kDataSynth}}) {
    const auto options = cli::parse_options(command, {});
    seeds.put("options", std::string(name) + "-ini",
              static_cast<uint8_t>(0x80 | std::countr_zero(static_cast<uint32_t>(command))), options->to_ini(command));
  }
  seeds.put("options", "train-line", 5,
            "--model\nm\n--learning-rate=1e-5\n--dataset\na.jsonl,b.jsonl\n--num_generations\n8\n--layout=learner=2,"
            "rollout=2");
  seeds.put("options", "infer-line", 8, "--greedy\n--temperature=0.7\n--input=a\n--output\nb");
  seeds.put("options", "data-line", 0, "--out=C.h5\n--utterances\n100\n--seed=7");
}

void sound_seeds(const Seeds& seeds, const fs::path& scratch) {
  const std::vector<std::tuple<std::string, int, int, int>> formats = {
      {"pcm16.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16, 16000, 1},
      {"float.wav", SF_FORMAT_WAV | SF_FORMAT_FLOAT, 8000, 2},
      {"adpcm.wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM, 8000, 1},
      {"ext.wav", SF_FORMAT_WAVEX | SF_FORMAT_PCM_24, 48000, 2},
      {"rifx.wav", SF_FORMAT_WAV | SF_FORMAT_PCM_16 | SF_ENDIAN_BIG, 16000, 1},
      {"a.flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, 44100, 1},
      {"vorbis.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, 16000, 1},
      {"opus.ogg", SF_FORMAT_OGG | SF_FORMAT_OPUS, 16000, 1},
      {"a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, 16000, 1},
      {"a.au", SF_FORMAT_AU | SF_FORMAT_ULAW, 8000, 1},
      {"a.mp3", SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III, 16000, 1}};
  for (const auto& [name, format, rate, channels] : formats) {
    SF_INFO info{};
    info.format = format;
    info.samplerate = rate;
    info.channels = channels;
    SNDFILE* file = sf_open((scratch / name).c_str(), SFM_WRITE, &info);
    if (file == nullptr) {
      std::fprintf(stderr, "make_fuzz_corpus: no %s: %s\n", name.c_str(), sf_strerror(nullptr));
      continue;
    }
    std::vector<float> samples(static_cast<size_t>(channels) * 1200);
    for (size_t i = 0; i < samples.size(); ++i) samples[i] = 0.3f * std::sin(0.05f * static_cast<float>(i));
    sf_write_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
    sf_close(file);
    seeds.put("audio", name, file_text(scratch / name));
  }
}

void hdf5_seeds(const Seeds& seeds) {
  // Edits of a good file: kind, object, and the choices of that edit (hdf5_edit.cc).
  for (const char* target : {"corpus", "rollout_segment"}) {
    for (uint8_t kind = 0; kind < 4; ++kind) {
      ByteWriter edits;
      for (uint8_t n = 0; n < 4; ++n) {
        edits.put(kind);
        edits.put(static_cast<uint8_t>(kind * 5 + n * 7));
        for (const uint8_t b : {1, 0, 4, 3, 9, 0, 0, 1}) edits.put(b);
      }
      seeds.put(target, fmt::format("edit-{}", kind), edits.view());
    }
  }
}

void run_seeds(const Seeds& seeds) {
  // run_recovery_fuzz.cc: a healthy beginning by fields, then workers that say hello and ask.
  std::string replay("\x01\x14", 2);
  for (uint8_t group = 0; group < 2; ++group)
    replay += std::string("\x00\x00\x03", 3) + static_cast<char>(group) + std::string("\x00\x00", 2);
  seeds.put("run_recovery", "replay", replay);
  std::string live(1, '\0');
  for (char worker = 0; worker < 3; ++worker) {
    live += std::string("\x01\x03", 2) + worker + std::string("\x00\x00\x01\x00", 4) + std::string("\x00", 1) + worker +
            worker + std::string("\x00\x01\x00\x01\x00", 5);
  }
  seeds.put("run_recovery", "hello", live);
  for (uint8_t n = 0; n < 4; ++n) {
    std::string mixed(1, static_cast<char>(n % 2));
    for (int i = 0; i < 120; ++i) mixed += static_cast<char>((i * (7 + 2 * n) + n) % 17);
    seeds.put("run_recovery", "mixed-" + std::to_string(n), mixed);
  }
}

}  // namespace

int make_corpus(const fs::path& root) {
  const fs::path scratch = fs::temp_directory_path() / fmt::format("prosodia-make-corpus-{}", ::getpid());
  fs::create_directories(scratch / "sharded");
  const Seeds seeds(root);
  protocol_seeds(seeds);
  store_seeds(seeds, scratch);
  text_seeds(seeds);
  config_seeds(seeds);
  sound_seeds(seeds, scratch);
  hdf5_seeds(seeds);
  run_seeds(seeds);
  fs::remove_all(scratch);
  return 0;
}

}  // namespace prosodia::fuzz

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make_fuzz_corpus tests/fuzz/corpus\n");
    return 2;
  }
  return prosodia::fuzz::make_corpus(argv[1]);
}
