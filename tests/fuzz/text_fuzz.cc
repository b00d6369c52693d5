// Any bytes as text and as ids, through a small trained tokenizer.
#include "data/text/bpe_trainer.h"
#include "data/text/chat.h"
#include "data/text/unicode.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {
namespace {

const Tokenizer& tokenizer() {
  static const Tokenizer trained = *train_bpe(
      std::vector<std::string>(
          3, "The voice is high, isn't it? <think>pitch</think> na\u00EFve \u4F60\u597D \U0001F600 user assistant"),
      420, omni_added_tokens());
  return trained;
}

void decode_as_ids(Input input) {
  ByteReader reader(input);
  std::vector<int32_t> ids;
  while (reader.remaining() >= 2) ids.push_back(reader.get<int16_t>());
  StreamingDecoder stream(tokenizer(), false);
  std::string streamed;
  for (const int32_t id : ids) streamed += stream.push(id);
  streamed += stream.finish();
  PROSODIA_CHECK(streamed == tokenizer().decode(ids, false), "streaming decodes differently");
  PROSODIA_CHECK(is_valid_utf8(streamed));
}

}  // namespace

void fuzz_text(Input input) {
  std::string text;
  append_utf8_lossy(as_text(input), text);
  PROSODIA_CHECK(is_valid_utf8(text));
  const auto plain = tokenizer().encode(as_text(input), false);
  for (const int32_t id : plain) PROSODIA_CHECK(!tokenizer().is_special(id), "text made the control token {}", id);
  // Added tokens that are not special cut the text before NFC; without one, decoding gives the normalised text back.
  if (text.find('<') == std::string::npos) {
    PROSODIA_CHECK(tokenizer().decode(plain, false) == nfc(text), "encode and decode do not give the text back");
  }
  (void)tokenizer().decode(tokenizer().encode(as_text(input), true), true);
  const std::vector<ChatTurn> turns = {{"user", split_audio_tags(as_text(input))}};
  const auto audios = static_cast<size_t>(std::ranges::count(turns[0].items, ChatItem::kAudio, &ChatItem::kind));
  const auto chat = encode_chat(tokenizer(), turns, std::vector<int64_t>(audios, 2), true);
  PROSODIA_CHECK(chat && std::ranges::count(chat->token_ids, *tokenizer().token_id(kImStart)) == 3,
                 "content opened a turn");
  decode_as_ids(input);
}

}  // namespace prosodia::fuzz
