// The bulk channel: versioned blobs (weights) from the learner to rollout workers, on a socket of its own so that
// megabytes never delay a heartbeat. The client pulls chunks, a few requests ahead; the server sends them without
// copying.
//
// Thread rule: BulkServer runs one thread of its own; its lookup is called on that thread. BulkClient: one thread.
// Failure rule: a chunk with a wrong CRC or a version whose digest does not match is kCorruption after retries; a
// version that the server does not have is kStale (the lease that named it has ended); silence is kUnavailable.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "data/base/digest.h"
#include "data/base/ids.h"
#include "data/base/status.h"
#include "orchestrator/protocol/frame.h"
#include "orchestrator/protocol/keys.h"

namespace prosodia::protocol {

inline constexpr uint32_t kMaxChunkBytes = uint32_t{8} << 20;
inline constexpr size_t kMaxBulkFrameBytes = size_t{64} << 10;  // requests, chunk headers; raw bytes are their own part

// Of every frame on this channel: it has neither leases nor acknowledgements.
inline FrameHeader bulk_header() { return {.seq = 1}; }

// One version's bytes. Immutable once served. `bytes` may point into memory that `owner` keeps alive (an mmap, a
// tensor).
struct Snapshot {
  Digest digest;  // = digest_bytes(bytes)
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
};
Digest digest_bytes(std::span<const std::byte> bytes);
std::shared_ptr<const Snapshot> make_snapshot(std::vector<std::byte> bytes);  // owns them, computes the digest

struct BulkServerOptions {
  std::string endpoint = "tcp://127.0.0.1:*";  // loopback unless named
  bool allow_plaintext_network = false;
  CredentialsPtr credentials;  // the learner's: then only rollout keys may connect
};

class BulkServer {
 public:
  // nullptr = not served (any more). Must be fast and thread-safe.
  using Lookup = std::function<std::shared_ptr<const Snapshot>(PolicyVersion)>;
  static Result<std::unique_ptr<BulkServer>> start(const BulkServerOptions& options, Lookup lookup);
  ~BulkServer();  // stops the thread; chunks in flight are dropped, clients retry or give up

  const std::string& endpoint() const;  // what workers connect to, the port filled in
  uint64_t bytes_sent() const;

 private:
  struct Impl;
  explicit BulkServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct BulkClientOptions {
  std::string endpoint;
  uint32_t chunk_bytes = uint32_t{4} << 20;   // 1 … kMaxChunkBytes
  int window = 4;                             // chunk requests in flight
  std::chrono::milliseconds timeout{60'000};  // without any chunk arriving
  std::chrono::milliseconds retry{2'000};     // a chunk not answered in this time is asked for again
  uint64_t max_bytes = uint64_t{256} << 30;   // refuses larger versions before allocating
  CredentialsPtr credentials;                 // the rollout worker's: then the server must own a learner key
};

class BulkClient {
 public:
  static Result<std::unique_ptr<BulkClient>> connect(const BulkClientOptions& options);
  ~BulkClient();

  // All bytes of `version`; checks that they hash to `expected`, the digest the task named.
  Result<std::vector<std::byte>> fetch(PolicyVersion version, const Digest& expected);

  // Streams into memory the caller provides once the size is known: `allocate(total)` returns `total` bytes.
  Status fetch_into(PolicyVersion version, const Digest& expected,
                    const std::function<Result<std::span<std::byte>>(uint64_t total)>& allocate);

 private:
  struct Impl;
  explicit BulkClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace prosodia::protocol
