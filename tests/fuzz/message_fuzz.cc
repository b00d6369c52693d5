// Payloads: the first byte names the message, in the order of for_each_message (which make_corpus.cc writes seeds in).
// What is accepted must come out of the encoder unchanged.
#include <algorithm>

#include "tests/fuzz/support.h"
#include "tests/unit/protocol/samples.h"

namespace prosodia::fuzz {

using namespace protocol;

namespace {

template <class M>
void decode_and_encode(Input payload) {
  const auto message = decode<M>(payload);
  if (!message) return;
  const auto again = encode(*message);
  PROSODIA_CHECK(std::ranges::equal(again, payload), "a message that is accepted must be the one that is written");
}

using Kind = void (*)(Input payload);

std::vector<Kind> all_kinds() {
  std::vector<Kind> kinds;
  testing::for_each_message(
      [&](const auto& sample) { kinds.push_back(decode_and_encode<std::decay_t<decltype(sample)>>); });
  return kinds;
}

}  // namespace

void fuzz_message(Input input) {
  if (input.empty()) return;
  static const std::vector<Kind> kinds = all_kinds();
  const auto kind = std::to_integer<size_t>(input[0]);
  if (kind < kinds.size()) kinds[kind](input.subspan(1));
}

}  // namespace prosodia::fuzz
