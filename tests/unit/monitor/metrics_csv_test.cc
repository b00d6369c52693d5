#include "orchestrator/monitor/metrics_csv.h"

#include <gmock/gmock.h>

#include <cmath>

#include "data/store/testing/faulty_file_system.h"

namespace prosodia {
namespace {

TEST(MetricsCsv, OneRowAStepEmptyCellsForWhatIsMissing) {
  StepReport first{.step = 1, .wall_time = 10.5}, second{.step = 2, .wall_time = 11};
  first.metrics = {{"kl", 0.25}, {"rewards/accuracy/emotion/sad, \"very\"", 1}};
  first.phase_seconds = {{"rollout", 2}};
  second.metrics = {{"kl", std::nan("")}, {"reward", 1e-7}};
  const std::vector<StepReport> reports = {first, second};
  EXPECT_EQ(metrics_csv(reports, MetricNames::kTrl),
            "step,wall_time,kl,reward,\"rewards/accuracy/emotion/sad, \"\"very\"\"\",timing_s/rollout\n"
            "1,10.5,0.25,,1,2\n"
            "2,11,,1e-07,,\n");
  EXPECT_THAT(metrics_csv(reports, MetricNames::kVerl),
              testing::StartsWith("step,wall_time,actor/kl_loss,critic/rewards/mean,"));
}

TEST(MetricsCsv, ARunWithoutStepsIsSaid) {
  FaultyFileSystem fs;
  const Status status = write_metrics_csv(fs, "run", "run/m.csv", MetricNames::kTrl);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kInvalidInput);
}

}  // namespace
}  // namespace prosodia
