#include "orchestrator/cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "orchestrator/cli/command_table.h"

namespace prosodia::cli {
namespace {

// What the cursor's word is, and what may stand there. bash takes "=" for a word of its own.
constexpr const char* kBashFunction = R"bash(
_prosodia() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev= command= option= list=
  (( COMP_CWORD > 0 )) && prev=${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if [[ $cur == = ]]; then option=$prev cur=
  elif [[ $prev == = ]]; then option=${COMP_WORDS[COMP_CWORD-2]}
  elif [[ $prev == --* ]]; then option=$prev; fi
  if (( COMP_CWORD == 1 )); then
    COMPREPLY=($(compgen -W "$(_prosodia_commands)" -- "$cur"))
    return
  fi
  command=${COMP_WORDS[1]}
  if [[ -n $(_prosodia_commands "$command") ]]; then
    if (( COMP_CWORD == 2 )); then
      COMPREPLY=($(compgen -W "$(_prosodia_commands "$command")" -- "$cur"))
      return
    fi
    command+=" ${COMP_WORDS[2]}"
  fi
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$(_prosodia_options "$command")" -- "$cur"))
    return
  fi
  option=${option#--}
  option=${option//-/_}
  if list=$(_prosodia_values "$command:$option"); then
    COMPREPLY=($(compgen -W "$list" -- "$cur"))
  else  # a file; the last one of a list
    compopt -o filenames 2>/dev/null
    local before=
    [[ $cur == *,* ]] && before=${cur%,*},
    COMPREPLY=($(compgen -P "$before" -f -- "${cur##*,}"))
  fi
}
complete -F _prosodia prosodia
)bash";

std::string names_of(uint32_t command) {
  std::string names;
  for (const OptionSpec* spec : options_of(command)) names += fmt::format("--{} ", spec->name);
  return names + "--help";
}

// "data" and "synth import …" of the commands of two words; the commands of one word under "".
std::vector<std::pair<std::string, std::vector<std::string>>> words_by_first() {
  std::vector<std::pair<std::string, std::vector<std::string>>> table = {{"", {}}};
  for (const CommandInfo& command : command_table()) {
    const std::string words = command.words;
    const size_t space = words.find(' ');
    const std::string first = words.substr(0, space);
    if (table.front().second.empty() || table.front().second.back() != first) table.front().second.push_back(first);
    if (space == std::string::npos) continue;
    if (table.back().first != first) table.push_back({first, {}});
    table.back().second.push_back(words.substr(space + 1));
  }
  return table;
}

// In single quotes of a shell, as one argument of _arguments: '[', ']' and ':' mean something there.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char letter : text) {
    if (letter == '\'') {
      out += "'\\''";
      continue;
    }
    if (letter == '[' || letter == ']' || letter == ':' || letter == '\\') out += '\\';
    out += letter;
  }
  return out;
}

std::string zsh_argument(const OptionSpec& spec) {
  const std::vector<std::string> choices = choices_of(spec);
  std::string action = "_files";
  if (!choices.empty()) action = fmt::format("({})", fmt::join(choices, " "));
  if (spec.kind == OptionKind::kInteger || spec.kind == OptionKind::kReal) action = " ";
  const char* repeat = spec.kind == OptionKind::kList ? "*" : "";
  const char* colon = spec.kind == OptionKind::kFlag ? "::" : ":";  // a flag's value may be left out
  return fmt::format("'{}--{}=[{}]{}{}:{}'", repeat, spec.name, zsh_text(spec.help), colon, spec.name, action);
}

}  // namespace

std::string bash_completion() {
  std::string text = "# bash completion for prosodia, generated: source <(prosodia completion bash)\n";
  text += "_prosodia_commands() {\n  case \"${1-}\" in\n";
  for (const auto& [first, words] : words_by_first())
    text += fmt::format("    '{}') echo '{}';;\n", first, fmt::join(words, " "));
  text += "  esac\n}\n_prosodia_options() {\n  case \"$1\" in\n";
  for (const CommandInfo& command : command_table())
    text += fmt::format("    '{}') echo '{}';;\n", command.words, names_of(command.bit));
  text += "  esac\n}\n_prosodia_values() {\n  case \"$1\" in\n";
  for (const CommandInfo& command : command_table()) {
    for (const OptionSpec* spec : options_of(command.bit)) {
      const auto choices = choices_of(*spec);
      if (!choices.empty())
        text += fmt::format("    '{}:{}') echo '{}';;\n", command.words, spec->name, fmt::join(choices, " "));
      else if (spec->kind == OptionKind::kInteger || spec->kind == OptionKind::kReal)
        text += fmt::format("    '{}:{}') ;;\n", command.words, spec->name);
      if (command.positional != nullptr && std::string_view(spec->name) == command.positional && !choices.empty())
        text += fmt::format("    '{}:') echo '{}';;\n", command.words, fmt::join(choices, " "));
    }
  }
  return text + "    *) return 1;;\n  esac\n}" + kBashFunction;
}

std::string zsh_completion() {
  std::string text =
      "#compdef prosodia\n# zsh completion for prosodia, generated: put it into a folder of $fpath as _prosodia\n";
  text += "_prosodia() {\n  local -a commands\n  local command=$words[2]\n";
  for (const auto& [first, words] : words_by_first()) {
    const int position = first.empty() ? 2 : 3;
    text += fmt::format(
        "  if (( CURRENT == {} )){}; then\n    commands=({})\n    _describe command commands\n    return\n  fi\n",
        position, first.empty() ? "" : fmt::format(" && [[ $command == {} ]]", first), fmt::join(words, " "));
    if (!first.empty())
      text += fmt::format(
          "  if [[ $command == {0} ]]; then\n    command=\"{0} $words[3]\"\n    shift words\n    (( CURRENT-- ))\n  "
          "fi\n",
          first);
  }
  text += "  shift words\n  (( CURRENT-- ))\n  case $command in\n";
  for (const CommandInfo& command : command_table()) {
    text += fmt::format("  '{}')\n    _arguments", command.words);
    for (const OptionSpec* spec : options_of(command.bit)) text += " \\\n      " + zsh_argument(*spec);
    if (command.positional != nullptr) text += " \\\n      '1:argument:_files'";
    text += ";;\n";
  }
  return text + "  esac\n}\n_prosodia \"$@\"\n";
}

}  // namespace prosodia::cli
