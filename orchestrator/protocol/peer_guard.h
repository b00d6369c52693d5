// PeerGuard: how much one peer may send, and when it is cut off. Token buckets by connection and by routing id, so that
// a flood or garbage from one peer costs the others nothing and the listener little.
//
// | what a peer sends                          | what happens                                    | counter           |
// |--------------------------------------------|-------------------------------------------------|-------------------|
// | within its rate                            | admitted                                        |                   |
// | more frames or bytes than its buckets hold | dropped before it is decoded (workers resend)   | throttled         |
// | `max_strikes` throttled or bad frames      | its connection is closed; it may dial again     | cut               |
// Strikes are forgiven one a `forgive_ms`.
//
// Called by: Listener. Pure state machine, single thread; the time comes from the caller. Memory: at most `max_peers`
// entries of a few hundred bytes; the least recently heard goes first.
#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <unordered_map>

namespace prosodia::protocol {

struct PeerLimits {
  double frames_per_s = 2000, frame_burst = 8000;
  double bytes_per_s = 512e6, byte_burst = 1e9;  // at least the largest frame, or it never gets through
  int max_strikes = 64;
  int64_t forgive_ms = 1000;
  size_t max_peers = 20'000;
};

class PeerGuard {
 public:
  enum class Verdict : uint8_t { kAdmit, kDrop, kCut };

  explicit PeerGuard(PeerLimits limits) : limits_(limits) {}

  // One received frame.
  Verdict on_frame(const std::string& peer, size_t bytes, int64_t now_ms);
  // An admitted frame turned out not to be one. kCut: close the connection.
  Verdict on_bad_frame(const std::string& peer, int64_t now_ms);

  uint64_t throttled() const { return throttled_; }
  uint64_t bad() const { return bad_; }
  uint64_t cut() const { return cut_; }
  size_t size() const { return peers_.size(); }

 private:
  struct Peer {
    std::string id;
    double frames, bytes;  // tokens left
    int64_t filled_ms;
    int strikes = 0;
    int64_t forgiven_ms;
  };
  Peer& refill(const std::string& peer, int64_t now_ms);
  Verdict strike(Peer& peer, int64_t now_ms);

  const PeerLimits limits_;
  std::list<Peer> peers_;  // most recently heard first
  std::unordered_map<std::string, std::list<Peer>::iterator> by_id_;
  uint64_t throttled_ = 0, bad_ = 0, cut_ = 0;
};

}  // namespace prosodia::protocol
