// What --dry_run of train, sft and train-rm prints beside the resolved configuration: batch arithmetic, memory, and the
// first prompts as the model will see them, chat template filled in. Reads the dataset, its first clips and the
// tokenizer; loads no weights, starts nothing, writes nothing but stdout.
#pragma once

#include <span>

#include "data/corpus/dataset.h"
#include "orchestrator/cli/options.h"
#include "orchestrator/launch/layout.h"
#include "workers/learner/sft.h"

namespace prosodia::cli {

Status print_train_plan(const Options& options, const launch::Layout& layout, std::span<const Sample> rows);

// kInvalidInput for a dataset that cannot be read.
Status print_supervised_plan(const SftOptions& sft, int ranks);

}  // namespace prosodia::cli
