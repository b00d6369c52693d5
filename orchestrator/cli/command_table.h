// The commands, once: their words, options, usage and summary. The overview, --help, shell completion and the reference
// are made from it and from the option table; commands/commands.cc names the function that runs each.
//
// Constant data; any thread.
#pragma once

#include <span>

#include "orchestrator/cli/options.h"

namespace prosodia::cli {

struct CommandInfo {
  const char* words;  // "train", "data synth"
  uint32_t bit;       // its options in the table
  const char* usage;
  const char* summary;               // without a full stop
  const char* positional = nullptr;  // the option that leading arguments without "--" stand for
};

std::span<const CommandInfo> command_table();

}  // namespace prosodia::cli
