#include "orchestrator/report/spread.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace prosodia {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

TEST(Spread, EvenlySpacedHasBothEnds) {
  EXPECT_THAT(evenly_spaced(0, 3), IsEmpty());
  EXPECT_THAT(evenly_spaced(3, 9), ElementsAre(0, 1, 2));
  EXPECT_THAT(evenly_spaced(101, 3), ElementsAre(0, 50, 100));
  EXPECT_THAT(evenly_spaced(7, 1), ElementsAre(6));
}

TEST(Spread, TheOrderHasEachOnceAndSpreadsFromTheBeginning) {
  EXPECT_THAT(spreading_order(0), IsEmpty());
  EXPECT_THAT(spreading_order(5), ElementsAre(4, 0, 2, 1, 3));
  for (const size_t count : {1u, 2u, 3u, 64u, 77u, 200u}) {
    auto order = spreading_order(count);
    std::sort(order.begin(), order.end());
    for (size_t i = 0; i < count; ++i) ASSERT_EQ(order.at(i), i);
    ASSERT_EQ(order.size(), count);
  }
}

TEST(Spread, GroupsAreTakenRoundByRoundUntilTheBudgetIsSpent) {
  const std::vector<std::vector<size_t>> bytes = {{10, 10}, {10}, {10, 10, 10}};
  EXPECT_THAT(choose_groups(bytes, 5), IsEmpty());
  EXPECT_THAT(choose_groups(bytes, 20), ElementsAre(Pair(0, 0), Pair(2, 0)));
  EXPECT_THAT(choose_groups(bytes, 40), ElementsAre(Pair(0, 0), Pair(1, 0), Pair(2, 0), Pair(2, 1)));
  EXPECT_EQ(choose_groups(bytes, 1000).size(), 6u);
}

}  // namespace
}  // namespace prosodia
