#include "orchestrator/cli/options.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>
#include <map>

namespace prosodia::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<Options> parse(uint32_t command, std::vector<std::string> arguments) {
  return parse_options(command, arguments);
}

std::string error_of(uint32_t command, std::vector<std::string> arguments) {
  const auto options = parse(command, std::move(arguments));
  if (options) return "accepted";
  EXPECT_EQ(options.error().code, ErrorCode::kUsage);
  return options.error().message;
}

TEST(Options, DefaultsAndSpellings) {
  const auto options =
      parse(kTrain, {"--num-generations", "4", "--learning_rate=3e-4", "--trust", "false", "--dataset", "a.jsonl"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->integer("num_generations"), 4);
  EXPECT_DOUBLE_EQ(options->real("learning_rate"), 3e-4);
  EXPECT_DOUBLE_EQ(options->real("beta"), 0.04);
  EXPECT_FALSE(options->flag("trust"));
  EXPECT_TRUE(options->flag("progressive"));
  EXPECT_TRUE(options->given("trust"));
  EXPECT_FALSE(options->given("beta"));
  EXPECT_FALSE(options->required("model"));
}

TEST(Options, ListsRepeatOrUseCommas) {
  const auto options = parse(kSft, {"--dataset", "a.jsonl:0.5,b.jsonl", "--dataset", "c.jsonl"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_THAT(options->list("dataset"), ElementsAre("a.jsonl:0.5", "b.jsonl", "c.jsonl"));
}

TEST(Options, NamesTheNearestOption) {
  EXPECT_THAT(error_of(kTrain, {"--num_generation", "4"}), HasSubstr("did you mean '--num_generations'?"));
  EXPECT_THAT(error_of(kTrain, {"--learnign_rate", "1"}), HasSubstr("--learning_rate"));
  EXPECT_THAT(error_of(kTrain, {"--zzzzzzzz", "1"}), HasSubstr("unknown option"));
  // Known elsewhere, not here.
  EXPECT_THAT(error_of(kSft, {"--beta", "0.1"}), HasSubstr("unknown option 'beta'"));
}

TEST(Options, ChecksKindsRangesAndChoices) {
  EXPECT_THAT(error_of(kTrain, {"--num_generations", "many"}), HasSubstr("--num_generations wants a whole number"));
  EXPECT_THAT(error_of(kTrain, {"--num_generations", "1.5"}), HasSubstr("whole number"));
  EXPECT_THAT(error_of(kTrain, {"--num_generations", "0"}), HasSubstr("from 1 to 1024"));
  EXPECT_THAT(error_of(kTrain, {"--beta", "nan"}), HasSubstr("wants a number"));
  EXPECT_THAT(error_of(kTrain, {"--loss_type", "ppo"}), HasSubstr("grpo, dapo, bnpo, dr_grpo"));
  EXPECT_THAT(error_of(kTrain, {"--beta", "1", "--beta", "2"}), HasSubstr("given twice"));
  EXPECT_THAT(error_of(kTrain, {"stray"}), HasSubstr("unexpected argument 'stray'"));
  EXPECT_THAT(error_of(kTrain, {"--beta"}), HasSubstr("beta"));
}

TEST(Options, ConfigFileRoundTripsAndTheCommandLineWins) {
  auto options =
      parse(kTrain, {"--model", "m", "--dataset", "d.jsonl", "--output_dir", "o", "--beta", "0.5", "--lag", "2"});
  ASSERT_TRUE(options);
  const std::string path = testing::TempDir() + "/options_test.ini";
  std::ofstream(path) << options->to_ini(kTrain);
  const auto again = parse(kTrain, {"--config", path, "--lag", "1"});
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_DOUBLE_EQ(again->real("beta"), 0.5);
  EXPECT_EQ(again->integer("lag"), 1);
  EXPECT_EQ(again->text("model"), "m");
  EXPECT_TRUE(parse(kRole, {"--config", path}));
  std::ofstream(path) << "beta = 0.1\nnum_generation = 3\n";
  EXPECT_THAT(error_of(kTrain, {"--config", path}), HasSubstr("did you mean '--num_generations'?"));
  EXPECT_THAT(error_of(kTrain, {"--config", "/no/such.ini"}), HasSubstr("/no/such.ini"));
  std::remove(path.c_str());
}

// Such a value would come back changed from the config.ini that the processes of a run read.
TEST(Options, RefusesWhatAnIniLineCannotHold) {
  for (const char* value : {"run#1", "a\nseed = 7", " a", "a ", "a\r"}) {
    EXPECT_THAT(error_of(kTrain, {"--output_dir", value}), HasSubstr("--output_dir")) << value;
  }
  EXPECT_TRUE(parse(kTrain, {"--output_dir", "a b=c;d"}));
}

// The stages of sft: each section is the command's options with its own values on top.
TEST(OptionSections, OverrideInOrderAndNameTheirMistakes) {
  const std::string path = testing::TempDir() + "/option_sections_test.ini";
  constexpr std::string_view kAllowed[] = {"dataset", "learning_rate", "max_steps"};
  const Options base = *parse(kSft, {"--learning_rate", "0.5", "--dataset", "all.jsonl"});
  const auto read = [&](const std::string& text) {
    std::ofstream(path) << text;
    return parse_sections(kSft, base, kAllowed, path);
  };
  const auto sections = read(
      "# two stages\n\n[second thing]  # by name\nlearning-rate = 1e-3\r\n\n[b]\ndataset = x.jsonl:2,y.jsonl:1\n"
      "max_steps=7\n");
  ASSERT_TRUE(sections) << sections.error().message;
  ASSERT_EQ(sections->size(), 2u);
  EXPECT_EQ((*sections)[0].name, "second thing");
  EXPECT_DOUBLE_EQ((*sections)[0].options.real("learning_rate"), 1e-3);
  EXPECT_EQ((*sections)[0].options.text("dataset"), "all.jsonl");
  EXPECT_DOUBLE_EQ((*sections)[1].options.real("learning_rate"), 0.5);
  EXPECT_THAT((*sections)[1].options.list("dataset"), ElementsAre("x.jsonl:2", "y.jsonl:1"));
  EXPECT_EQ((*sections)[1].options.integer("max_steps"), 7);

  const auto error = [&](const std::string& text) {
    const auto result = read(text);
    return result ? std::string("accepted") : result.error().message;
  };
  EXPECT_THAT(error("[a]\nlearnin_rate = 1\n"), HasSubstr(path + ":2: option 'learnin_rate'"));
  EXPECT_THAT(error("[a]\nlearnin_rate = 1\n"), HasSubstr("did you mean 'learning_rate'"));
  EXPECT_THAT(error("[a]\nseed = 1\n"), HasSubstr("'seed' cannot stand in a section"));
  EXPECT_THAT(error("[a]\nmax_steps = many\n"), HasSubstr(":2: --max_steps wants a whole number"));
  EXPECT_THAT(error("[a]\nmax_steps = 1\nmax_steps = 2\n"), HasSubstr(":3: 'max_steps' is given twice"));
  EXPECT_THAT(error("max_steps = 1\n"), HasSubstr(":1: 'max_steps = 1' stands before"));
  EXPECT_THAT(error("[a]\n[a]\n"), HasSubstr(":2: section 'a'"));
  EXPECT_THAT(error("[a\n"), HasSubstr("expected [section]"));
  EXPECT_THAT(error("[a]\nwhat\n"), HasSubstr("name = value"));
  EXPECT_THAT(error("# nothing\n"), HasSubstr("has no [section]"));
  std::remove(path.c_str());
  EXPECT_THAT(parse_sections(kSft, base, kAllowed, path).error().message, HasSubstr("cannot be read"));
}

TEST(Options, DigestSeesResultsAndNothingElse) {
  const auto base = parse(kTrain, {})->result_digest(kTrain);
  EXPECT_EQ(parse(kTrain, {"--layout", "learner=1", "--save_steps", "7"})->result_digest(kTrain), base);
  EXPECT_NE(parse(kTrain, {"--seed", "7"})->result_digest(kTrain), base);
}

TEST(OptionTable, EntriesAreSane) {
  std::map<std::string, uint32_t> commands_of;  // a name may have several rows, a command one of them
  for (const OptionSpec& spec : option_table()) {
    EXPECT_EQ(commands_of[spec.name] & spec.commands, 0u) << spec.name;
    commands_of[spec.name] |= spec.commands;
    EXPECT_NE(spec.commands, 0u) << spec.name;
    EXPECT_GT(std::string_view(spec.help).size(), 8u) << spec.name;
    // A default passes its own check.
    for (uint32_t bit = 1; bit <= kExport; bit <<= 1) {
      if ((spec.commands & bit) && *spec.default_value) {
        EXPECT_TRUE(parse(bit, {fmt::format("--{}", spec.name), spec.default_value})) << spec.name;
        break;
      }
    }
  }
}

TEST(OptionTable, OneNameMayMeanAnotherChoiceElsewhere) {
  EXPECT_EQ(parse(kExport, {"--dtype", "auto"})->text("dtype"), "auto");
  EXPECT_EQ(parse(kExport, {})->text("dtype"), "auto");
  EXPECT_EQ(parse(kInfer, {})->text("dtype"), "float32");
  EXPECT_THAT(error_of(kInfer, {"--dtype", "auto"}), HasSubstr("float32, bfloat16"));
}

}  // namespace
}  // namespace prosodia::cli
