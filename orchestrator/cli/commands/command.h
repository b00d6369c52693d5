// The commands of the `prosodia` binary. Each is one function: options in, exit code out. main() finds the command,
// parses its options, runs it and prints its error.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "data/base/status.h"
#include "orchestrator/cli/command_table.h"

namespace prosodia::cli {

struct CommandContext {
  std::vector<std::string> arguments;  // as given after the command's words
  std::string program;                 // absolute path of this binary, to start further processes with
  std::atomic<bool>& stop;             // set by SIGINT, SIGTERM, SIGUSR1
};

// An error's code decides the exit code; a value is the exit code itself (normally 0).
using CommandFunction = Result<int> (*)(const Options&, const CommandContext&);

// Of every entry of command_table().
CommandFunction function_of(const CommandInfo& command);

Result<int> run_data_synth(const Options&, const CommandContext&);
Result<int> run_data_import(const Options&, const CommandContext&);
Result<int> run_data_annotate(const Options&, const CommandContext&);
Result<int> run_data_build(const Options&, const CommandContext&);
Result<int> run_data_inspect(const Options&, const CommandContext&);
Result<int> run_init(const Options&, const CommandContext&);
Result<int> run_sft(const Options&, const CommandContext&);
Result<int> run_train_rm(const Options&, const CommandContext&);
Result<int> run_train(const Options&, const CommandContext&);
Result<int> run_coordinator_role(const Options&, const CommandContext&);
Result<int> run_learner_role(const Options&, const CommandContext&);
Result<int> run_rollout_role(const Options&, const CommandContext&);
Result<int> run_reward_role(const Options&, const CommandContext&);
Result<int> run_eval(const Options&, const CommandContext&);
Result<int> run_export(const Options&, const CommandContext&);
Result<int> run_keygen(const Options&, const CommandContext&);
Result<int> run_infer(const Options&, const CommandContext&);
Result<int> run_report(const Options&, const CommandContext&);
Result<int> run_doctor(const Options&, const CommandContext&);
Result<int> run_replay(const Options&, const CommandContext&);
Result<int> run_watch(const Options&, const CommandContext&);
Result<int> run_completion(const Options&, const CommandContext&);
Result<int> run_reference(const Options&, const CommandContext&);
Result<int> run_score(const Options&, const CommandContext&);

}  // namespace prosodia::cli
