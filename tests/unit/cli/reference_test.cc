// What is generated from the option table: help, reference, completion; and the documents that name options by hand.
#include "orchestrator/cli/reference.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "orchestrator/cli/completion.h"
#include "orchestrator/cli/help.h"

namespace prosodia::cli {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

fs::path source_dir() {
  const char* source = std::getenv("PROSODIA_SOURCE_DIR");
  EXPECT_NE(source, nullptr);
  return source == nullptr ? "." : source;
}

std::string text_of(const fs::path& file) {
  std::ifstream stream(file);
  EXPECT_TRUE(stream) << file;
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

const CommandInfo* command_named(std::string_view words) {
  for (const CommandInfo& command : command_table())
    if (words == command.words) return &command;
  return nullptr;
}

int widest(const std::string& text) {
  int most = 0, columns = 0;
  for (const char byte : text) {
    if (byte == '\n') columns = -1;
    if ((byte & 0xC0) != 0x80) ++columns;
    most = std::max(most, columns);
  }
  return most;
}

TEST(Help, ShowsGroupsKindsDefaultsAndChoices) {
  const std::string help = help_text(*command_named("train"), 200);
  EXPECT_THAT(help, AllOf(HasSubstr("\nGRPO:\n"), HasSubstr("--num_generations N"), HasSubstr("(default 8)"),
                          HasSubstr("one of grpo, dapo, bnpo, dr_grpo"), HasSubstr("--trust  ")));
}

TEST(Help, EachHeadingComesOnce) {
  for (const CommandInfo& command : command_table()) {
    std::set<std::string_view> seen;
    for (const OptionGroup& group : groups_of(command.bit))
      EXPECT_TRUE(seen.insert(group.name).second) << command.words << ": " << group.name;
  }
}

TEST(Help, FitsTheTerminal) {
  for (const int columns : {60, 80, 132})
    for (const CommandInfo& command : command_table())
      EXPECT_LE(widest(help_text(command, columns)), columns) << command.words << " at " << columns;
  EXPECT_LE(widest(overview_text(80)), 80);
}

// `prosodia reference > orchestrator/docs/reference.md` makes it new.
TEST(Reference, TheFileSaysTheSame) {
  EXPECT_EQ(text_of(source_dir() / "orchestrator/docs/reference.md"), reference_markdown());
}

TEST(Reference, TheManPageHasEveryOption) {
  const std::string man = reference_man("1");
  for (const OptionSpec& spec : option_table())
    EXPECT_THAT(man, HasSubstr(std::string("\\-\\-") + spec.name)) << spec.name;
}

// What bash offers when the cursor stands at the end of the last word, by running the generated script in bash.
std::string completed(const std::vector<std::string>& words) {
  const fs::path script = fs::temp_directory_path() / "prosodia_completion_test.bash";
  std::ofstream(script) << bash_completion();
  std::string array;
  for (const std::string& word : words) array += " '" + word + "'";
  const std::string command =
      "cd " + (source_dir() / "orchestrator").string() + " && bash --norc -c 'source " + script.string() +
      "; compopt() { :; }; COMP_WORDS=(" + std::regex_replace(array, std::regex("'"), "\"") +
      "); COMP_CWORD=" + std::to_string(words.size() - 1) + "; _prosodia; echo \"${COMPREPLY[*]}\"'";
  std::FILE* pipe = ::popen(command.c_str(), "r");
  std::string out;
  char piece[4096];
  while (std::fgets(piece, sizeof piece, pipe) != nullptr) out += piece;
  EXPECT_EQ(::pclose(pipe), 0) << command;
  while (out.ends_with('\n')) out.pop_back();
  return out;
}

TEST(BashCompletion, OffersCommandsOptionsAndValues) {
  EXPECT_EQ(completed({"prosodia", "tr"}), "train-rm train");
  EXPECT_EQ(completed({"prosodia", "data", "s"}), "synth");
  EXPECT_EQ(completed({"prosodia", "train", "--loss"}), "--loss_type");
  EXPECT_EQ(completed({"prosodia", "train", "--loss_type", "d"}), "dapo dr_grpo");
  EXPECT_EQ(completed({"prosodia", "train", "--loss_type", "="}), "grpo dapo bnpo dr_grpo");
  EXPECT_EQ(completed({"prosodia", "train", "--loss-type", "=", "b"}), "bnpo");
  EXPECT_EQ(completed({"prosodia", "eval", "--reasoning_scorer", "n"}), "none");
  EXPECT_EQ(completed({"prosodia", "train", "--trust", ""}), "true false");
  EXPECT_EQ(completed({"prosodia", "data", "import", "--format", "cr"}), "crema-d");
  EXPECT_EQ(completed({"prosodia", "completion", ""}), "bash zsh");
  EXPECT_EQ(completed({"prosodia", "data", "synth", "--layout"}), "");
}

TEST(BashCompletion, OffersFilesForTextAndTheLastOfAList) {
  EXPECT_EQ(completed({"prosodia", "train", "--model", "launc"}), "launch");
  EXPECT_EQ(completed({"prosodia", "sft", "--dataset", "a.jsonl,launc"}), "a.jsonl,launch");
  EXPECT_EQ(completed({"prosodia", "train", "--max_steps", "l"}), "") << "a number is no file";
}

TEST(ZshCompletion, NamesEveryOptionOfEveryCommand) {
  const std::string zsh = zsh_completion();
  for (const CommandInfo& command : command_table()) {
    EXPECT_THAT(zsh, HasSubstr(std::string("'") + command.words + "')")) << command.words;
    for (const OptionSpec* spec : options_of(command.bit))
      EXPECT_THAT(zsh, HasSubstr(std::string("--") + spec->name + "=[")) << spec->name;
  }
}

// --- documents

// The command lines of a document: lines of code (indented, or between fences) in which `prosodia` is run, continued
// ones joined, comments cut off; and what stands between backquotes and begins with "prosodia ".
std::vector<std::string> command_lines(const std::string& document) {
  std::vector<std::string> lines;
  std::istringstream stream(document);
  bool fenced = false;
  const std::regex comment("\\s#.*$"), call("((^|[ =(])(\\S*/bin/)?prosodia [a-z])|train(-het)?\\.sbatch --");
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with("```")) fenced = !fenced;
    const bool code = fenced || line.starts_with("    ");
    if (!code) {
      const std::regex span("`([^`]*)`");
      for (std::sregex_iterator at(line.begin(), line.end(), span), end; at != end; ++at)
        if (std::regex_search((*at)[1].str(), call)) lines.push_back((*at)[1]);
      continue;
    }
    line = std::regex_replace(line, comment, "");
    while (line.ends_with('\\')) {
      line.pop_back();
      std::string more;
      if (!std::getline(stream, more)) break;
      line += " " + std::regex_replace(more, comment, "");
    }
    if (std::regex_search(line, call)) lines.push_back(line);
  }
  return lines;
}

std::vector<std::string> words_of(std::string line) {
  if (const size_t batch = line.find(".sbatch "); batch != std::string::npos)
    line = "train " + line.substr(batch + 8);  // the batch scripts take train's arguments
  else
    line = line.substr(line.find("prosodia ") + 9);
  for (char& letter : line)
    if (std::string_view("[](){}").find(letter) != std::string_view::npos) letter = ' ';
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word && word != "|" && word != "&&" && word != ">" && word != "&" && word != ";";)
    words.push_back(word);
  return words;
}

// "" or what is wrong with a command line.
std::string complaint(const std::string& line) {
  std::vector<std::string> words = words_of(line);
  if (words.empty() || words[0].starts_with("--") || words[0] == "COMMAND" || words[0] == "…") return "";
  std::string name = words[0];
  if (name == "data" && words.size() > 1) name += " " + words[1];
  std::vector<std::string> names;
  for (size_t begin = 0; begin <= name.size();) {  // "sft|train"
    const size_t end = std::min(name.find('|', begin), name.size());
    names.push_back(name.substr(begin, end - begin));
    if (names.size() > 1 && name.starts_with("data ")) names.back() = "data " + names.back();
    begin = end + 1;
  }
  for (const std::string& one : names) {
    const CommandInfo* command = command_named(one);
    if (command == nullptr) return "no command '" + one + "'";
    for (const std::string& word : words) {
      if (!word.starts_with("--") || word == "--help" || word == "--") continue;
      const std::string option = word.substr(2, word.find_first_of("=,.;:", 2) - 2);
      const auto options = options_of(command->bit);
      if (std::ranges::none_of(options, [&](const OptionSpec* spec) { return option == spec->name; }))
        return "'" + one + "' has no option --" + option;
    }
  }
  return "";
}

std::vector<fs::path> documents() {
  std::vector<fs::path> files;
  for (const char* folder : {"", "orchestrator", "workers", "reward", "data", "scripts", "tests"}) {
    const fs::path root = source_dir() / folder;
    if (*folder == '\0') {
      files.push_back(root / "README.md");
      continue;
    }
    for (fs::recursive_directory_iterator at(root), end; at != end; ++at)
      if (at->path().extension() == ".md") files.push_back(at->path());
  }
  return files;
}

TEST(Documents, EveryCommandLineHasCommandsAndOptionsThatExist) {
  size_t lines = 0;
  for (const fs::path& file : documents()) {
    for (const std::string& line : command_lines(text_of(file))) {
      ++lines;
      EXPECT_EQ(complaint(line), "") << file << ": " << line;
    }
  }
  EXPECT_GT(lines, 60U) << "the documents' commands are not found";
}

TEST(Documents, EveryOptionBetweenBackquotesExists) {
  // Of programs that the documents speak of beside prosodia.
  const std::set<std::string> foreign = {"allow-run-as-root", "oversubscribe", "hostfile",   "host",
                                         "overlap",           "map-by",        "nodes",      "time",
                                         "partition",         "mpi",           "gres",       "mca",
                                         "use-hwthread-cpus", "shm-size",      "tuner_type", "container-image",
                                         "requeue",           "signal"};
  std::set<std::string> known = {"help", "version"};
  for (const OptionSpec& spec : option_table()) known.insert(spec.name);
  const std::regex span("`--([A-Za-z0-9_-]+)[^`]*`");
  for (const fs::path& file : documents()) {
    const std::string text = text_of(file);
    for (std::sregex_iterator at(text.begin(), text.end(), span), end; at != end; ++at) {
      const std::string name = (*at)[1];
      EXPECT_TRUE(known.contains(name) || foreign.contains(name)) << file << ": --" << name;
    }
  }
}

TEST(Documents, TheCheckSeesWhatIsWrong) {
  EXPECT_EQ(complaint("mpirun -n 5 prosodia train --layout learner=2 --model DIR"), "");
  EXPECT_EQ(complaint("sbatch -N2 scripts/slurm/train.sbatch --modle m"), "'train' has no option --modle");
  EXPECT_EQ(complaint("prosodia trian --model DIR"), "no command 'trian'");
  EXPECT_EQ(complaint("prosodia train --modle DIR"), "'train' has no option --modle");
  EXPECT_THAT(command_lines("text `prosodia doctor RUN` more\n\n    prosodia sft \\\n      --model m  # why\n"),
              testing::ElementsAre("prosodia doctor RUN", testing::StartsWith("    prosodia sft        --model m")));
}

}  // namespace
}  // namespace prosodia::cli
