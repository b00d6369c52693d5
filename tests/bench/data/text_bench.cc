// Encoding and decoding of English, one core. Qwen2's vocabulary from PROSODIA_SHARED_DIR (default ../shared) when it
// is there.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "data/base/philox.h"
#include "data/text/bpe_trainer.h"
#include "data/text/tokenizer.h"

namespace prosodia {
namespace {

// Prose of common and rare words, contractions, numbers and punctuation; about 1 MB.
std::string english() {
  constexpr std::string_view kWords[] = {
      "the",           "voice",   "of",        "speaker",  "is",        "high",    "and",       "tense",
      "because",       "it",      "doesn't",   "remember", "yesterday", "they're", "emotion",   "energetic",
      "intonation",    "rises",   "towards",   "end",      "question",  "slowly",  "trembling", "happiness",
      "extraordinary", "through", "whispered", "Tuesday",  "London",    "I'm",     "fearful",   "neutral",
      "sounds",        "as",      "if",        "nothing",  "happened",  "before",  "2024",      "17"};
  constexpr std::string_view kEnds[] = {" ", " ", " ", " ", " ", ", ", ". ", "? ", ".\n", "; "};
  PhiloxStream random(3);
  std::string text;
  while (text.size() < 1'000'000) {
    text += kWords[random.next_below(std::size(kWords))];
    text += kEnds[random.next_below(std::size(kEnds))];
  }
  return text;
}

// A model folder under the shared data, or a small vocabulary trained on the text.
const Tokenizer& tokenizer() {
  static const Tokenizer loaded = [] {
    const char* shared = std::getenv("PROSODIA_SHARED_DIR");
    const auto dir = std::filesystem::path(shared != nullptr ? shared : "../shared") / "tokenizer";
    auto qwen2 = Tokenizer::load(dir);
    if (qwen2) return std::move(*qwen2);
    return *train_bpe({english()}, 600, omni_added_tokens());
  }();
  return loaded;
}

// Rows as datasets have them: one call a paragraph of 500 characters.
void Encode(benchmark::State& state) {
  const Tokenizer& loaded = tokenizer();  // loading is not what is measured
  const std::string text = english();
  const size_t row = static_cast<size_t>(state.range(0));
  size_t bytes = 0;
  for (auto _ : state) {
    for (size_t at = 0; at + row <= text.size(); at += row) {
      benchmark::DoNotOptimize(loaded.encode(std::string_view(text).substr(at, row), false));
      bytes += row;
    }
  }
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
  state.SetLabel(tokenizer().vocab_size() > 100'000 ? "Qwen2 vocabulary" : "small vocabulary");
}

void Decode(benchmark::State& state) {
  const auto ids = tokenizer().encode(english(), false);
  size_t bytes = 0;
  for (auto _ : state) bytes += tokenizer().decode(ids, true).size();
  state.SetBytesProcessed(static_cast<int64_t>(bytes));
}

BENCHMARK(Encode)->Arg(500)->Arg(100'000)->Unit(benchmark::kMillisecond);
BENCHMARK(Decode)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace prosodia
