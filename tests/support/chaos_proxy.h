// A TCP proxy that behaves badly on purpose, between workers and a server.
//
//   ChaosProxy proxy(seed);
//   auto endpoint = proxy.start(server_endpoint);   // workers dial this instead
//   proxy.set({.delay_ms = 100, .loss = 0.01});      // any time, from any thread
//
// | fault                  | what it does to a direction of a connection                                             |
// |------------------------|-----------------------------------------------------------------------------------------|
// | delay_ms               | every segment arrives so much later                                                     |
// | loss                   | share of segments that need a retransmission: they and all after them stall for         |
// |                        | stall_min_ms … stall_max_ms, as on TCP                                                  |
// | corrupt                | share of segments with one bit flipped                                                  |
// | cut                    | share of segments at which the connection is closed, what was on its way is lost        |
// | bytes_per_s            | bandwidth of each direction; 0 = no limit                                               |
// | partition_up / _down   | nothing passes towards / from the server; goes on where it was when lifted              |
// | half_open              | new connections are accepted and nothing is ever forwarded                              |
//
// Deterministic: the fate of a segment (`segment_bytes` of the stream; about one small message at 128) is a function of
// seed, connection number, direction and the segment's place. One thread; memory is bounded by kMaxQueuedBytes a
// direction, beyond which the sender is held back as TCP does.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "data/base/descriptor.h"
#include "data/base/philox.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::testing_support {

struct NetworkFaults {
  int64_t delay_ms = 0;
  double loss = 0;
  int64_t stall_min_ms = 200, stall_max_ms = 400;
  double corrupt = 0, cut = 0;
  double bytes_per_s = 0;
  bool partition_up = false, partition_down = false, half_open = false;
};

class ChaosProxy {
 public:
  static constexpr size_t kMaxQueuedBytes = size_t{1} << 20;

  explicit ChaosProxy(uint64_t seed, size_t segment_bytes = 1400) : seed_(seed), segment_bytes_(segment_bytes) {}
  ~ChaosProxy();
  ChaosProxy(const ChaosProxy&) = delete;
  ChaosProxy& operator=(const ChaosProxy&) = delete;

  // Listens on a free port of 127.0.0.1 (or `listen_port`) and forwards to "tcp://127.0.0.1:PORT". Returns its own
  // endpoint. Aborts when it cannot listen.
  std::string start(const std::string& target, uint16_t listen_port = 0);
  void retarget(const std::string& target);  // for new connections: the server came back elsewhere
  void set(const NetworkFaults& faults);
  void cut_all();  // closes every connection now

  struct Stats {
    std::atomic<uint64_t> connections = 0, bytes = 0, segments = 0, stalled = 0, corrupted = 0, cut = 0;
  };
  const Stats& stats() const { return stats_; }

 private:
  struct Piece {
    int64_t due_ms = 0;
    std::vector<char> bytes;
  };
  struct Direction {
    int from = -1, to = -1;     // the connection's descriptors
    bool ended = false;         // the sender closed its side
    uint64_t segment = 0;       // index of the next byte's segment
    size_t in_segment = 0;      // bytes of it seen
    int64_t not_before_ms = 0;  // nothing may overtake what stalled
    double bandwidth_ms = 0;    // when the line is free again
    std::deque<Piece> queue;
    size_t queued = 0, sent_of_first = 0;
  };
  struct Connection {
    uint64_t number = 0;
    Descriptor client, server;
    Direction up, down;
    bool dead = false, swallow = false;
  };

  void loop();
  void accept_one(const NetworkFaults& faults);
  void read_some(Connection& connection, Direction& direction, uint64_t which, const NetworkFaults& faults,
                 int64_t now_ms);
  bool take(Connection& connection, Direction& direction, uint64_t which, const NetworkFaults& faults, int64_t now_ms,
            const char* bytes, size_t size);
  void write_some(Connection& connection, Direction& direction, int64_t now_ms);

  const uint64_t seed_;
  const size_t segment_bytes_;
  Descriptor listener_;
  protocol::Wakeup wakeup_;
  std::mutex mutex_;  // faults_, target_, cut_all_
  NetworkFaults faults_;
  uint16_t target_port_ = 0;
  bool cut_all_ = false;
  std::atomic<bool> stopping_ = false;
  std::list<Connection> connections_;
  uint64_t next_number_ = 0;
  Stats stats_;
  std::thread thread_;
};

}  // namespace prosodia::testing_support
