// `data build --writer`: who writes the cold start's reasoning. The model is our own engine's; its texts are held to
// the format and to the cues by reward/.
#pragma once

#include <memory>

#include "data/builders/reasoning_writer.h"
#include "orchestrator/cli/commands/command.h"

namespace prosodia::cli {

// "grammar" (null), "model:DIR" or "jsonl:FILE". kUsage for anything else; failures of opening as model and file have
// them. `context` must outlive the writer.
Result<std::unique_ptr<ReasoningWriter>> open_reasoning_writer(const Options& options, const CommandContext& context);

// Why a model's response to writing_prompt() cannot be used: not exactly <think>…</think><answer>LABEL</answer>; the
// reasoning is too short or too long; it states a cue that it was not told, contradicts one, or states none; it ends on
// another emotion.
std::optional<std::string> objection_to(std::string_view response, const ReasoningRequest& request);

}  // namespace prosodia::cli
