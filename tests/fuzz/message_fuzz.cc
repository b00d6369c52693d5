// Payloads: the first byte names the message. What is accepted must come out of the encoder unchanged.
#include <algorithm>
#include <tuple>

#include "orchestrator/protocol/messages.h"
#include "tests/fuzz/support.h"

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

template <class... M>
void decode_nth(size_t index, Input payload) {
  size_t at = 0;
  ((at++ == index ? decode_and_encode<M>(payload) : void()), ...);
}

}  // namespace

void fuzz_message(Input input) {
  if (input.empty()) return;
  // In the order of MessageType; make_corpus.cc counts on it.
  decode_nth<Hello, Heartbeat, RolloutResult, RewardResult, TaskFailed, WeightsReady, StepDone, CheckpointCommitted,
             Goodbye, Welcome, Reject, HelloRequest, Ping, TaskRollout, TaskReward, BatchGroup, StepBatch,
             CheckpointRequest, ResultAck, Refused, Shutdown, GetWeights, WeightsChunk, WeightsMissing>(
      std::to_integer<size_t>(input[0]), input.subspan(1));
}

}  // namespace prosodia::fuzz
