#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "data/store/testing/faulty_file_system.h"
#include "data/trace/trace_reader.h"
#include "data/trace/trace_writer.h"

namespace prosodia {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::StartsWith;
using Clock = TraceWriter::Clock;
using std::chrono::milliseconds;

constexpr const char* kFile = "run/trace/rollout-0.json";

class Trace : public ::testing::Test {
 protected:
  Trace() { EXPECT_TRUE(fs_.create_dirs("run")); }
  std::unique_ptr<TraceWriter> open(std::string_view process = "rollout-0", uint64_t max_bytes = 1 << 20) {
    auto writer = TraceWriter::open(fs_, "run", process, max_bytes);
    EXPECT_TRUE(writer) << writer.error().message;
    return std::move(*writer);
  }
  void add_phases(int count, std::string_view process = "rollout-0", uint64_t max_bytes = 1 << 20) {
    const auto writer = open(process, max_bytes);
    for (int i = 0; i < count; ++i)
      writer->add("sample", start_ + milliseconds(10 * i), start_ + milliseconds(10 * i + 7),
                  {{"step", static_cast<uint64_t>(i + 1)}, {"group", 4}}, i % 2);
  }
  RunTrace read() {
    auto trace = read_traces(fs_, "run");
    EXPECT_TRUE(trace) << trace.error().message;
    return std::move(*trace);
  }
  void replace(const char* path, const std::string& text) {
    auto file = fs_.open_append(path, OpenMode::kTruncate).value();
    ASSERT_TRUE(file->append(as_byte_span(text)));
  }

  FaultyFileSystem fs_;
  const Clock::time_point start_ = Clock::now();
};

TEST_F(Trace, PhasesComeBack) {
  add_phases(3);
  add_phases(1, "learner \"0\"");
  const RunTrace trace = read();
  ASSERT_EQ(trace.processes.size(), 2u);
  EXPECT_EQ(trace.bad_lines, 0u);
  EXPECT_EQ(trace.processes[0].process, "learner \"0\"");
  ASSERT_EQ(trace.processes[1].phases.size(), 3u);
  const TracePhase& second = trace.processes[1].phases[1];
  EXPECT_EQ(second.name, "sample");
  EXPECT_EQ(second.lane, 1);
  EXPECT_EQ(second.duration_us, 7000);
  EXPECT_NEAR(second.begin_us - trace.processes[1].phases[0].begin_us, 10000, 1);  // rounded
  EXPECT_EQ(second.step(), 2u);
  EXPECT_EQ(second.args.at("group"), 4u);
}

TEST_F(Trace, TheFileIsAChromeTraceWithItsEndMissing) {
  add_phases(2);
  const std::string text = fs_.read_text(kFile).value();
  EXPECT_THAT(text, StartsWith("[\n{"));
  EXPECT_THAT(text, EndsWith("},\n"));
  const auto closed = nlohmann::json::parse(text.substr(0, text.size() - 2) + "]");
  EXPECT_EQ(closed.size(), 5u);  // the process' name, two lanes' names, two phases
}

TEST_F(Trace, ARestartedProcessGoesOnAndATornLineIsCutOff) {
  add_phases(2);
  replace(kFile, fs_.read_text(kFile).value() + "{\"name\":\"sam");
  add_phases(1);
  const RunTrace trace = read();
  EXPECT_EQ(trace.bad_lines, 0u);
  ASSERT_EQ(trace.processes.size(), 1u) << "a process keeps its place in the viewer";
  EXPECT_EQ(trace.processes[0].phases.size(), 3u);
}

TEST_F(Trace, AFileThatIsNoTraceIsBegunAnew) {
  add_phases(1);
  replace(kFile, std::string(100, '\0'));
  add_phases(1);
  EXPECT_EQ(read().processes[0].phases.size(), 1u);
}

TEST_F(Trace, DamagedLinesArePassedOver) {
  add_phases(2);
  replace("run/trace/reward-0.json", "[\n{\"ph\":\"X\"},\nnonsense\n[[[[\n");
  const RunTrace trace = read();
  EXPECT_EQ(trace.bad_lines, 3u);
  ASSERT_EQ(trace.processes.size(), 1u);
  EXPECT_EQ(trace.processes[0].phases.size(), 2u);
}

TEST_F(Trace, AFullFileMakesRoomForTheNewest) {
  for (int process = 0; process < 6; ++process) add_phases(10, "rollout-0", 3000);
  EXPECT_LE(fs_.file_size(kFile).value(), 3000u);
  EXPECT_LE(fs_.file_size("run/trace/rollout-0.1.json").value(), 3000u);
  const RunTrace trace = read();
  EXPECT_EQ(trace.bad_lines, 0u);
  EXPECT_EQ(trace.processes.size(), 1u);
}

TEST_F(Trace, AFullDiskEndsTheTraceAndNothingElse) {
  const auto writer = open();
  fs_.set_capacity(fs_.file_size(kFile).value() + 50);
  for (int i = 0; i < 1000; ++i) writer->add("sample", start_, start_ + milliseconds(1), {{"step", 1}});
  writer->flush();
  fs_.set_capacity(UINT64_MAX);
  add_phases(1);
  EXPECT_EQ(read().bad_lines, 0u) << "what was half written is cut off by the next process";
}

TEST_F(Trace, AMissingRunFolderIsSaidAndNotMade) {
  const auto writer = TraceWriter::open(fs_, "elsewhere", "rollout-0");
  ASSERT_FALSE(writer);
  EXPECT_FALSE(fs_.exists("elsewhere").value());
  TraceSpan nowhere(nullptr, "sample", 1);
}

TEST_F(Trace, MergedIsStrictJson) {
  add_phases(2);
  add_phases(1, "learner-0");
  const auto merged = merged_trace(fs_, "run");
  ASSERT_TRUE(merged) << merged.error().message;
  EXPECT_EQ(nlohmann::json::parse(*merged)["traceEvents"].size(), 8u);
  ASSERT_TRUE(fs_.create_dirs("empty"));
  const auto none = merged_trace(fs_, "empty");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace prosodia
