#include "orchestrator/launch/layout.h"

#include <gmock/gmock.h>

namespace prosodia::launch {
namespace {

using testing::HasSubstr;

TEST(Layout, ParsesRolesInAnyOrder) {
  const auto layout = parse_layout("rollout=4,learner=2");
  ASSERT_TRUE(layout) << layout.error().message;
  EXPECT_EQ(layout->learners, 2);
  EXPECT_EQ(layout->rollouts, 4);
  EXPECT_EQ(layout->rewards, 1);
  EXPECT_EQ(layout->world_size(), 8);
}

TEST(Layout, RefusesWhatItCannotRead) {
  for (const char* text :
       {"learner", "learner=", "learner=0", "learner=-1", "learner=2x", "actor=1", "learner=1,learner=2"}) {
    const auto layout = parse_layout(text);
    ASSERT_FALSE(layout) << text;
    EXPECT_EQ(layout.error().code, ErrorCode::kUsage);
    EXPECT_THAT(layout.error().message, HasSubstr("--layout"));
  }
}

TEST(Layout, PlacesEveryRankOnce) {
  const Layout layout{.learners = 2, .rollouts = 3, .rewards = 1};
  int counts[4] = {};
  for (int rank = 0; rank < layout.world_size(); ++rank) {
    const auto placement = place(layout, rank, layout.world_size());
    ASSERT_TRUE(placement);
    ++counts[static_cast<int>(placement->role)];
  }
  EXPECT_THAT(counts, testing::ElementsAre(1, 2, 3, 1));
}

TEST(Layout, SaysWhichWorldFits) {
  const auto placement = place(Layout{2, 1, 1}, 0, 4);
  ASSERT_FALSE(placement);
  EXPECT_THAT(placement.error().message, HasSubstr("mpirun -n 5"));
}

}  // namespace
}  // namespace prosodia::launch
