// Encodes and decodes strings for compare.py: `encode_lines TOKENIZER_DIR`. Each line of stdin is a JSON string; the
// answer on stdout is [ids with special tokens, ids without, the first ids decoded, the same without special tokens].
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "data/text/tokenizer.h"

int main(int argc, char** argv) {
  using nlohmann::json;
  if (argc != 2) {
    std::fprintf(stderr, "usage: encode_lines TOKENIZER_DIR < strings.jsonl\n");
    return 2;
  }
  const auto tokenizer = prosodia::Tokenizer::load(argv[1]);
  if (!tokenizer) {
    std::fprintf(stderr, "encode_lines: %s\n", tokenizer.error().message.c_str());
    return prosodia::exit_code(tokenizer.error().code);
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    const json text = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!text.is_string()) {
      std::fprintf(stderr, "encode_lines: not a JSON string: %s\n", line.c_str());
      return 3;
    }
    const auto& string = text.get_ref<const std::string&>();
    const auto ids = tokenizer->encode(string, true);
    const json answer = {ids, tokenizer->encode(string, false), tokenizer->decode(ids, false),
                         tokenizer->decode(ids, true)};
    std::cout << answer.dump() << '\n';
  }
  return 0;
}
