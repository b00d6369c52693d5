#include "orchestrator/protocol/bulk.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "data/base/crc32c.h"
#include "data/base/philox.h"
#include "orchestrator/protocol/messages.h"
#include "orchestrator/protocol/transport.h"

namespace prosodia::protocol {
namespace {

using std::chrono::milliseconds;

std::vector<std::byte> noise(size_t size, uint64_t seed) {
  std::vector<std::byte> bytes(size);
  PhiloxStream stream(seed);
  for (auto& byte : bytes) byte = static_cast<std::byte>(stream.next_u32());
  return bytes;
}

struct Server {
  explicit Server(std::map<uint64_t, std::shared_ptr<const Snapshot>> versions) : snapshots(std::move(versions)) {
    auto started = BulkServer::start({}, [this](PolicyVersion version) -> std::shared_ptr<const Snapshot> {
      const auto it = snapshots.find(version.value);
      return it == snapshots.end() ? nullptr : it->second;
    });
    EXPECT_TRUE(started) << started.error().message;
    server = std::move(*started);
  }
  BulkClientOptions client_options(uint32_t chunk_bytes) const {
    BulkClientOptions options;
    options.endpoint = server->endpoint();
    options.chunk_bytes = chunk_bytes;
    options.timeout = milliseconds(5000);
    options.retry = milliseconds(200);
    return options;
  }
  std::map<uint64_t, std::shared_ptr<const Snapshot>> snapshots;
  std::unique_ptr<BulkServer> server;
};

TEST(Bulk, FetchesEverySizeAroundTheChunk) {
  std::map<uint64_t, std::shared_ptr<const Snapshot>> snapshots;
  for (size_t size : {0, 1, 999, 1000, 1001, 123'457}) snapshots[size] = make_snapshot(noise(size, size));
  Server server(std::move(snapshots));
  auto client = BulkClient::connect(server.client_options(1000));
  ASSERT_TRUE(client);
  for (const auto& [version, snapshot] : server.snapshots) {
    const auto bytes = (*client)->fetch(PolicyVersion(version), snapshot->digest);
    ASSERT_TRUE(bytes) << version << ": " << bytes.error().message;
    EXPECT_TRUE(std::equal(bytes->begin(), bytes->end(), snapshot->bytes.begin(), snapshot->bytes.end()));
  }
}

TEST(Bulk, SeveralClientsAtOnce) {
  Server server({{1, make_snapshot(noise(3'000'000, 1))}});
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i) {
    threads.emplace_back([&] {
      auto client = BulkClient::connect(server.client_options(65'536));
      good += client && (*client)->fetch(PolicyVersion(1), server.snapshots.at(1)->digest).has_value();
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 3);
  EXPECT_GE(server.server->bytes_sent(), 9'000'000u);
}

TEST(Bulk, VersionThatIsGoneIsStale) {
  Server server({{1, make_snapshot(noise(10, 1))}});
  auto client = BulkClient::connect(server.client_options(1000));
  const auto bytes = (*client)->fetch(PolicyVersion(2), Digest{});
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, ErrorCode::kStale);
}

TEST(Bulk, OtherDigestThanTheTaskNamedIsStale) {
  Server server({{1, make_snapshot(noise(10, 1))}});
  auto client = BulkClient::connect(server.client_options(1000));
  const auto bytes = (*client)->fetch(PolicyVersion(1), digest_bytes(noise(10, 2)));
  ASSERT_FALSE(bytes);
  EXPECT_EQ(bytes.error().code, ErrorCode::kStale);
}

TEST(Bulk, NobodyThereIsUnavailable) {
  BulkClientOptions options;
  options.endpoint = "tcp://127.0.0.1:1";
  options.timeout = milliseconds(200);
  auto client = BulkClient::connect(options);
  ASSERT_TRUE(client);
  EXPECT_EQ((*client)->fetch(PolicyVersion(1), Digest{}).error().code, ErrorCode::kUnavailable);
}

TEST(Bulk, TooLargeIsRefusedBeforeAllocating) {
  Server server({{1, make_snapshot(noise(5000, 1))}});
  auto options = server.client_options(1000);
  options.max_bytes = 4999;
  auto client = BulkClient::connect(options);
  EXPECT_EQ((*client)->fetch(PolicyVersion(1), server.snapshots.at(1)->digest).error().code, ErrorCode::kInvalidInput);
}

// A server that damages the first `bad` chunks it sends, and ignores every fifth request.
TEST(Bulk, DamagedAndLostChunksAreAskedForAgain) {
  const auto data = noise(20'000, 1);
  const Digest digest = digest_bytes(data);
  zmq::context_t context;
  auto router = bind_router(context, "tcp://127.0.0.1:*", SocketOptions{});
  ASSERT_TRUE(router);
  std::atomic<bool> stop = false;
  std::thread server([&] {
    int requests = 0;
    while (!stop) {
      zmq::pollitem_t item{router->handle(), 0, ZMQ_POLLIN, 0};
      zmq::poll(&item, 1, milliseconds(10));
      while (auto frame = router_receive(*router)) {
        const auto request = decode<GetWeights>(decode_frame(bytes_of(frame->bytes), 1000)->payload);
        if (++requests % 5 == 0) continue;
        const size_t length = std::min<size_t>(request->length, data.size() - request->offset);
        std::vector<std::byte> chunk(data.begin() + request->offset, data.begin() + request->offset + length);
        WeightsChunk header{PolicyVersion(1), data.size(), request->offset, static_cast<uint32_t>(length),
                            crc32c(chunk),    digest};
        if (requests <= 3) chunk[5] ^= std::byte{1};
        router->send(zmq::buffer(frame->peer), zmq::send_flags::sndmore);
        router->send(zmq::buffer(encode_message({}, header)), zmq::send_flags::sndmore);
        router->send(zmq::buffer(chunk), zmq::send_flags::none);
      }
    }
  });
  BulkClientOptions options;
  options.endpoint = last_endpoint(*router);
  options.chunk_bytes = 1000;
  options.retry = milliseconds(50);
  options.timeout = milliseconds(5000);
  auto client = BulkClient::connect(options);
  const auto bytes = (*client)->fetch(PolicyVersion(1), digest);
  stop = true;
  server.join();
  ASSERT_TRUE(bytes) << bytes.error().message;
  EXPECT_EQ(*bytes, data);
}

}  // namespace
}  // namespace prosodia::protocol
