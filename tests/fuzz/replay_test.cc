// Every stored input of every fuzz target, in every build: what fuzzing found once stays fixed. The targets abort on
// failure.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "tests/fuzz/targets.h"

namespace prosodia::fuzz {
namespace {

namespace fs = std::filesystem;

const std::map<std::string, void (*)(Input)> kTargets = {
    {"frame", fuzz_frame},
    {"message", fuzz_message},
    {"bulk", fuzz_bulk},
    {"safetensors", fuzz_safetensors},
    {"model_index", fuzz_model_index},
    {"model_config", fuzz_model_config},
    {"dataset", fuzz_dataset},
    {"tokenizer", fuzz_tokenizer},
    {"text", fuzz_text},
    {"word_times", fuzz_word_times},
    {"audio", fuzz_audio},
    {"corpus", fuzz_corpus},
    {"rollout_segment", fuzz_rollout_segment},
    {"journal", fuzz_journal},
    {"run_recovery", fuzz_run_recovery},
    {"checkpoint", fuzz_checkpoint},
    {"options", fuzz_options},
};

fs::path corpus_root() {
  const char* source = std::getenv("PROSODIA_SOURCE_DIR");  // ctest sets it; by hand the test runs from the source root
  return fs::path(source != nullptr ? source : ".") / "tests/fuzz/corpus";
}

std::string contents(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

TEST(FuzzReplay, EveryTargetHasACorpusAndEveryCorpusATarget) {
  std::set<std::string> folders;
  for (const auto& entry : fs::directory_iterator(corpus_root())) folders.insert(entry.path().filename().string());
  for (const auto& [name, target] : kTargets) EXPECT_TRUE(folders.contains(name)) << name;
  EXPECT_EQ(folders.size(), kTargets.size());
}

class FuzzReplay : public ::testing::TestWithParam<std::string> {};

TEST_P(FuzzReplay, StoredInputsPass) {
  const auto target = kTargets.at(GetParam());
  target({});
  size_t count = 0;
  std::set<fs::path> files;  // in a fixed order
  for (const auto& entry : fs::directory_iterator(corpus_root() / GetParam())) files.insert(entry.path());
  for (const fs::path& file : files) {
    SCOPED_TRACE(file.string());
    std::fprintf(stderr, "%s\n", file.c_str());  // the last line before an abort names the input
    const std::string input = contents(file);
    target(std::as_bytes(std::span(input)));
    ++count;
  }
  EXPECT_GE(count, 3u);
}

std::vector<std::string> names() {
  std::vector<std::string> names;
  for (const auto& [name, target] : kTargets) names.push_back(name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Targets, FuzzReplay, ::testing::ValuesIn(names()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace prosodia::fuzz
