#include "orchestrator/protocol/client_core.h"

#include <gtest/gtest.h>

namespace prosodia::protocol {
namespace {

struct Harness {
  explicit Harness(Role role = Role::kRollout) {
    options.name = "w";
    options.role = role;
    core.emplace(options, WorkerEpoch(5), 0);
  }

  template <class M>
  ClientCore::Frames deliver(const M& message, int64_t now_ms, uint64_t lease = 0, uint64_t life = 1) {
    FrameHeader header;
    header.run_id = RunId(9);
    header.sender_epoch = WorkerEpoch(life);
    header.lease_id = LeaseId(lease);
    return core->on_frame(encode_message(header, message), now_ms);
  }
  ClientCore::Frames welcome(int64_t now_ms, uint64_t life = 1) {
    return deliver(Welcome{RunId(9), 1, 1000, life, {}}, now_ms, 0, life);
  }
  static std::vector<MessageType> types(const ClientCore::Frames& frames) {
    std::vector<MessageType> out;
    for (const auto& frame : frames) out.push_back(decode_frame(frame, kMaxPayloadFromWorker)->header.type);
    return out;
  }
  static uint64_t seq(const std::vector<std::byte>& frame) {
    return decode_frame(frame, kMaxPayloadFromWorker)->header.seq;
  }

  WorkerClientOptions options;
  std::optional<ClientCore> core;
};

using Types = std::vector<MessageType>;

TEST(ClientCore, SaysHelloUntilWelcomed) {
  Harness h;
  EXPECT_EQ(h.types(h.core->poll(0)), Types{MessageType::kHello});
  EXPECT_TRUE(h.core->poll(1).empty());
  EXPECT_EQ(h.types(h.core->poll(400)), Types{MessageType::kHello});
  EXPECT_EQ(h.types(h.welcome(500)), Types{MessageType::kHeartbeat});
  EXPECT_EQ(h.core->state(), ClientState::kLive);
  EXPECT_TRUE(h.core->poll(900).empty());
  EXPECT_EQ(h.types(h.core->poll(1500)), Types{MessageType::kHeartbeat});
}

TEST(ClientCore, RejectIsFinal) {
  Harness h;
  h.core->poll(0);
  h.deliver(Reject{RejectCode::kConfigDigest, "config differs"}, 1);
  EXPECT_EQ(h.core->state(), ClientState::kRejected);
  EXPECT_EQ(h.core->failure(), "config differs");
  EXPECT_TRUE(h.core->poll(10'000).empty());
  h.welcome(10'001);
  EXPECT_EQ(h.core->state(), ClientState::kRejected);
}

TEST(ClientCore, ResultIsResentUntilAcknowledged) {
  Harness h;
  h.core->poll(0);
  h.welcome(0);
  h.deliver(TaskRollout{GroupId(3)}, 1, 77);
  ASSERT_TRUE(h.core->take_task());
  const auto first = h.core->submit(LeaseId(77), RolloutResult{GroupId(3)}, 10);
  ASSERT_EQ(first.size(), 1u);
  std::vector<int64_t> resent_at;
  for (int64_t now = 10; now < 5000; now += 10) {
    for (const auto& frame : h.core->poll(now)) {
      if (frame == first[0]) resent_at.push_back(now);  // same bytes, same seq
    }
  }
  ASSERT_GE(resent_at.size(), 3u);
  EXPECT_GE(resent_at[0] - 10, 370);                          // 500 ms - 25 %
  EXPECT_GT(resent_at[2] - resent_at[1], resent_at[0] - 10);  // backs off
  h.deliver(ResultAck{h.seq(first[0])}, 5000);
  EXPECT_EQ(h.core->unacked(), 0u);
  EXPECT_EQ(h.core->stats().acked, 1u);
}

TEST(ClientCore, TaskArrivingTwiceIsDoneOnce) {
  Harness h;
  h.core->poll(0);
  h.welcome(0);
  h.deliver(TaskRollout{GroupId(3)}, 1, 77);
  h.deliver(TaskRollout{GroupId(3)}, 2, 77);  // queued
  ASSERT_TRUE(h.core->take_task());
  h.deliver(TaskRollout{GroupId(3)}, 3, 77);  // in work
  const auto frames = h.core->submit(LeaseId(77), RolloutResult{GroupId(3)}, 4);
  h.deliver(ResultAck{h.seq(frames[0])}, 5);
  h.deliver(TaskRollout{GroupId(3)}, 6, 77);  // finished
  EXPECT_FALSE(h.core->take_task());
}

TEST(ClientCore, HeartbeatShowsLeasesAndProgressUntilSettled) {
  Harness h;
  h.core->poll(0);
  h.welcome(0);
  h.deliver(TaskRollout{GroupId(3)}, 1, 77);
  h.core->report_progress(LeaseId(77), 12);
  const auto beat = [&](int64_t now) {
    for (const auto& frame : h.core->poll(now)) {
      const auto view = decode_frame(frame, kMaxPayloadFromWorker);
      if (view->header.type == MessageType::kHeartbeat) return *decode<Heartbeat>(view->payload);
    }
    ADD_FAILURE() << "no heartbeat";
    return Heartbeat{};
  };
  auto leases = beat(1000).leases;
  ASSERT_EQ(leases.size(), 1u);
  EXPECT_EQ(leases[0].progress, 12u);
  const auto frames = h.core->submit(LeaseId(77), RolloutResult{GroupId(3)}, 1100);
  EXPECT_EQ(beat(2000).leases.size(), 1u);  // not acknowledged yet
  h.deliver(Refused{h.seq(frames[0]), RefusalReason::kStaleLease, ""}, 2100);
  EXPECT_TRUE(beat(3000).leases.empty());
}

TEST(ClientCore, RestartedCoordinatorGetsHelloAndUnackedResults) {
  Harness h;
  h.core->poll(0);
  h.welcome(0);
  h.deliver(TaskRollout{GroupId(3)}, 1, 77);
  h.deliver(TaskRollout{GroupId(4)}, 1, 78);
  ASSERT_TRUE(h.core->take_task());  // 77; 78 stays queued
  h.core->submit(LeaseId(77), RolloutResult{GroupId(3)}, 2);
  EXPECT_EQ(h.types(h.deliver(HelloRequest{}, 100, 0, 2)), Types{MessageType::kHello});
  EXPECT_EQ(h.types(h.welcome(110, 2)), (Types{MessageType::kHeartbeat, MessageType::kRolloutResult}));
  EXPECT_FALSE(h.core->take_task());  // granted by the old life: dropped
  EXPECT_EQ(h.core->stats().dropped_tasks, 1u);
  h.deliver(TaskRollout{GroupId(5)}, 120, 79, 1);  // a late frame of the old life
  EXPECT_FALSE(h.core->take_task());
  h.deliver(TaskRollout{GroupId(5)}, 130, 80, 2);
  EXPECT_TRUE(h.core->take_task());
}

TEST(ClientCore, NewerLifeWithoutHelloRequestIsNoticed) {
  Harness h;
  h.core->poll(0);
  h.welcome(0);
  EXPECT_EQ(h.types(h.deliver(Ping{}, 10, 0, 2)), Types{MessageType::kHello});
}

TEST(ClientCore, FencedWorkerStops) {
  Harness h(Role::kLearner);
  h.core->poll(0);
  h.welcome(0);
  const auto frames = h.core->submit(LeaseId(1), StepDone{}, 1);
  h.deliver(Refused{h.seq(frames[0]), RefusalReason::kStaleEpoch, "a newer learner runs"}, 2);
  EXPECT_EQ(h.core->state(), ClientState::kFenced);
  EXPECT_TRUE(h.core->poll(10'000).empty());
}

TEST(ClientCore, OnlyTheNewestAnnouncementIsPendingAndHelloCarriesIt) {
  Harness h(Role::kLearner);
  h.core->poll(0);
  h.welcome(0);
  h.core->announce({{PolicyVersion(0), {}}}, 1);
  h.core->announce({{PolicyVersion(0), {}}, {PolicyVersion(1), {}}}, 2);
  EXPECT_EQ(h.core->unacked(), 1u);
  const auto frames = h.deliver(HelloRequest{}, 3);
  const auto view = decode_frame(frames.at(0), kMaxPayloadFromWorker);
  EXPECT_EQ(decode<Hello>(view->payload)->served.size(), 2u);
}

TEST(ClientCore, ShutdownStaysAndDamagedFramesAreCounted) {
  Harness h;
  h.core->poll(0);
  h.welcome(0);
  const std::vector<std::byte> junk(100, std::byte{0x5A});
  EXPECT_TRUE(h.core->on_frame(junk, 1).empty());
  EXPECT_EQ(h.core->stats().bad_frames, 1u);
  h.deliver(Shutdown{6, "interrupted"}, 2);
  for (int i = 0; i < 2; ++i) {
    const auto task = h.core->take_task();
    ASSERT_TRUE(task);
    EXPECT_EQ(std::get<Shutdown>(task->body).exit_code, 6);
  }
}

}  // namespace
}  // namespace prosodia::protocol
