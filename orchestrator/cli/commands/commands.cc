#include <string_view>
#include <utility>

#include "data/base/check.h"
#include "orchestrator/cli/commands/command.h"

namespace prosodia::cli {
namespace {

constexpr std::pair<std::string_view, CommandFunction> kFunctions[] = {
    {"data synth", run_data_synth},
    {"data import", run_data_import},
    {"data annotate", run_data_annotate},
    {"data build", run_data_build},
    {"data inspect", run_data_inspect},
    {"init", run_init},
    {"sft", run_sft},
    {"train-rm", run_train_rm},
    {"train", run_train},
    {"eval", run_eval},
    {"infer", run_infer},
    {"score", run_score},
    {"export", run_export},
    {"report", run_report},
    {"watch", run_watch},
    {"doctor", run_doctor},
    {"replay", run_replay},
    {"keygen", run_keygen},
    {"coordinator", run_coordinator_role},
    {"learner", run_learner_role},
    {"rollout", run_rollout_role},
    {"reward", run_reward_role},
    {"completion", run_completion},
    {"reference", run_reference},
};

}  // namespace

CommandFunction function_of(const CommandInfo& command) {
  for (const auto& [words, function] : kFunctions)
    if (words == command.words) return function;
  PROSODIA_CHECK(false, "the command '{}' has no function", command.words);
  return nullptr;
}

}  // namespace prosodia::cli
