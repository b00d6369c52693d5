// Encoding and decoding give every valid text back, normalised.
#include <gtest/gtest.h>

#include "data/text/bpe_trainer.h"
#include "data/text/unicode.h"
#include "tests/unit/text/random_text.h"

namespace prosodia {
namespace {

// Merges across several scripts, so that characters are cut inside and joined across their bytes.
Tokenizer tokenizer() {
  std::vector<std::string> texts(
      3,
      "The voice isn't high. caf\u00E9 na\u00EFve \u4F60\u597D\u4E16\u754C \uD55C\uAD6D\uC5B4 \u0915\u093C "
      "\u0645\u0631\u062D\u0628\u0627 \u0440\u0443\u0441\u0441\u043A\u0438\u0439 \U0001F600\U0001F680");
  return *train_bpe(texts, 500, omni_added_tokens());
}

// Alone, inside a word, behind a space and before a digit, under two marks (which NFC reorders and composes), after an
// apostrophe.
TEST(RoundTrip, EveryCodePointInSeveralContexts) {
  const Tokenizer small = tokenizer();
  constexpr char32_t kBlock = 64;
  for (char32_t begin = 0; begin < 0x110000; begin += kBlock) {
    if (begin >= 0xD800 && begin < 0xE000) continue;  // surrogates are no characters
    std::string text;
    for (char32_t c = begin; c < begin + kBlock; ++c) {
      std::string character;
      append_utf8(c, character);
      text += character + "|a" + character + "b " + character + "1" + character + "\u0301\u0323'" + character + "\n";
    }
    ASSERT_TRUE(is_valid_utf8(text));
    ASSERT_EQ(small.decode(small.encode(text, false), true), nfc(text)) << std::hex << static_cast<uint32_t>(begin);
  }
}

// Without a normaliser every byte comes back.
TEST(RoundTrip, WithoutNfcTextIsUnchanged) {
  const auto plain = Tokenizer::create(tokenizer().model(), omni_added_tokens(), {.nfc = false});
  ASSERT_TRUE(plain);
  PhiloxStream random(31);
  for (int round = 0; round < 20000; ++round) {
    const std::string text = random_utf8(random, 16) + "e\u0301\u0958";
    ASSERT_EQ(plain->decode(plain->encode(text, true), false), text);
  }
}

}  // namespace
}  // namespace prosodia
