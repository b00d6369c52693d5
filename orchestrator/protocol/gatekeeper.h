// The ZAP handler of a listening context: decides which public keys may connect. Without one, libzmq's CURVE server
// accepts any client key.
//
// An admitted connection carries its principal (ZeroMQ's User-Id), which the Listener attaches to every frame received
// on it: what a peer may say follows from its key, not from the role it claims.
//
// Called by: Listener. Thread rule: a thread of its own answers handshakes; counters may be read by any thread.
// Failure rule: an allow-list that cannot be read any more, or is malformed, admits nobody; nobody is disconnected.
#pragma once

#include <memory>
#include <span>
#include <zmq.hpp>

#include "data/base/status.h"
#include "orchestrator/protocol/keys.h"

namespace prosodia::protocol {

class Gatekeeper {
 public:
  // One a context, before its first listening socket. `admitted`: whom this endpoint serves; others are refused even
  // when the allow-list knows them.
  static Result<std::unique_ptr<Gatekeeper>> start(zmq::context_t& context, CredentialsPtr credentials,
                                                   std::vector<Principal> admitted);
  ~Gatekeeper();  // before the context ends

  uint64_t refused() const;  // handshakes

 private:
  struct Impl;
  explicit Gatekeeper(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace prosodia::protocol
