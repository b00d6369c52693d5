// RunCore::send, shared by the run_core_*.cc files.
#pragma once

#include "orchestrator/core/run_core.h"

namespace prosodia::core {

template <class M>
void RunCore::send(const std::string& peer, const M& message, LeaseId lease) {
  protocol::FrameHeader header;
  header.run_id = run_id_;
  header.sender_epoch = WorkerEpoch(life_);
  header.lease_id = lease;
  header.seq = next_seq_++;
  actions_.push_back(Send{peer, protocol::encode_message(header, message)});
}

}  // namespace prosodia::core
