#include "orchestrator/protocol/peer_guard.h"

#include <algorithm>

namespace prosodia::protocol {

PeerGuard::Peer& PeerGuard::refill(const std::string& id, int64_t now_ms) {
  if (const auto known = by_id_.find(id); known != by_id_.end()) {
    peers_.splice(peers_.begin(), peers_, known->second);
  } else {
    peers_.push_front({id, limits_.frame_burst, limits_.byte_burst, now_ms, 0, now_ms});
    by_id_[id] = peers_.begin();
    if (peers_.size() > limits_.max_peers) {
      by_id_.erase(peers_.back().id);
      peers_.pop_back();
    }
  }
  Peer& peer = peers_.front();
  const double seconds = static_cast<double>(now_ms - peer.filled_ms) / 1000;
  peer.frames = std::min(limits_.frame_burst, peer.frames + seconds * limits_.frames_per_s);
  peer.bytes = std::min(limits_.byte_burst, peer.bytes + seconds * limits_.bytes_per_s);
  peer.filled_ms = now_ms;
  const int64_t forgiven = std::min<int64_t>((now_ms - peer.forgiven_ms) / limits_.forgive_ms, peer.strikes);
  peer.strikes -= static_cast<int>(forgiven);
  peer.forgiven_ms = peer.strikes == 0 ? now_ms : peer.forgiven_ms + forgiven * limits_.forgive_ms;
  return peer;
}

PeerGuard::Verdict PeerGuard::strike(Peer& peer, int64_t now_ms) {
  if (++peer.strikes < limits_.max_strikes) return Verdict::kDrop;
  ++cut_;
  peer.strikes = 0;
  peer.forgiven_ms = now_ms;
  return Verdict::kCut;
}

PeerGuard::Verdict PeerGuard::on_frame(const std::string& id, size_t bytes, int64_t now_ms) {
  Peer& peer = refill(id, now_ms);
  const auto size = static_cast<double>(bytes);
  if (peer.frames < 1 || peer.bytes < size) {
    ++throttled_;
    return strike(peer, now_ms);
  }
  peer.frames -= 1;
  peer.bytes -= size;
  return Verdict::kAdmit;
}

PeerGuard::Verdict PeerGuard::on_bad_frame(const std::string& id, int64_t now_ms) {
  ++bad_;
  return strike(refill(id, now_ms), now_ms);
}

}  // namespace prosodia::protocol
