// Shell completion from the command table and the option table: commands, each one's options, and the values of those
// that have a fixed set; file names for other texts. Pure functions; any thread.
#pragma once

#include <string>

namespace prosodia::cli {

// For ~/.bashrc: source <(prosodia completion bash)
std::string bash_completion();
// For a file _prosodia in a folder of $fpath.
std::string zsh_completion();

}  // namespace prosodia::cli
