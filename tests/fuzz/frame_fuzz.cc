// Frames: raw bytes; then the same bytes as the payload of a well-formed frame, which the CRC would otherwise keep out
// of reach.
#include <algorithm>

#include "orchestrator/protocol/client_core.h"
#include "orchestrator/protocol/frame.h"
#include "tests/fuzz/support.h"

namespace prosodia::fuzz {

using namespace protocol;

namespace {

// A worker that is sent anything by its coordinator.
void feed_client(Choices choices) {
  WorkerClientOptions options;
  options.name = "fuzz";
  ClientCore client(options, WorkerEpoch(7), 0);
  int64_t now_ms = 0;
  while (!choices.empty() && now_ms < 100'000) {
    FrameHeader header;
    header.type = static_cast<MessageType>(choices.below(80));
    header.run_id = RunId(choices.below(3));
    header.sender_epoch = WorkerEpoch(choices.below(4));
    header.lease_id = LeaseId(choices.below(5));
    header.seq = choices.below(9);
    now_ms += 100;
    (void)client.on_frame(encode_frame(header, choices.bytes(400)), now_ms);
    if (const auto task = client.take_task(); task && choices.one_in(2)) client.report_progress(task->lease, now_ms);
    (void)client.poll(now_ms);
  }
}

}  // namespace

void fuzz_frame(Input input) {
  for (const size_t limit : {size_t{64}, kMaxPayloadFromWorker}) {
    const auto view = decode_frame(input, limit);
    if (!view) continue;
    PROSODIA_CHECK(view->payload.size() <= limit, "{}", view->payload.size());
    const auto again = encode_frame(view->header, view->payload);
    PROSODIA_CHECK(std::ranges::equal(again, input), "a frame that is accepted must be the one that is written");
  }
  feed_client(Choices(input));
}

}  // namespace prosodia::fuzz
