#include "orchestrator/report/claim_marks.h"

#include <gtest/gtest.h>

namespace prosodia {
namespace {

TEST(ClaimMarks, CountAsBrowsersDo) {
  ShownResponse response;
  response.sample.response =
      shown_text("<think>\xf0\x9f\x98\x80 \xc3\xa9 \xff the pitch is high.</think><answer>x</answer>");
  ProsodyLevels levels;
  levels.pitch = "high";
  mark_claims(response, levels);
  ASSERT_EQ(response.claims.size(), 1u);
  // "<think>" 7, the face 2, blank, é, blank, the replacement character, " the pitch is " 14
  EXPECT_EQ(response.claims[0].begin, 7u + 2 + 1 + 1 + 1 + 1 + 14);
  EXPECT_EQ(response.claims[0].end - response.claims[0].begin, 4u);
  EXPECT_EQ(response.claims[0].truth, ClaimTruth::kTrue);
  EXPECT_EQ(response.true_claims, 1);
  EXPECT_EQ(response.checkable_claims, 1);
}

TEST(ClaimMarks, ContradictionsNegationsAndUnmeasuredAttributes) {
  const auto truths = [](const std::string& text) {
    ShownResponse response;
    response.sample.response = "<think>" + text + "</think>";
    ProsodyLevels levels;
    levels.pitch = "low";
    levels.energy = "high";
    mark_claims(response, levels);
    std::string out;
    for (const MarkedClaim& claim : response.claims) out += "tfu"[static_cast<int>(claim.truth)];
    return out;
  };
  EXPECT_EQ(truths("The pitch is low and the energy is low."), "tf");
  EXPECT_EQ(truths("The pitch is low. Then the pitch is high."), "ff");
  EXPECT_EQ(truths("The pitch is not high. The energy is not high."), "tf");
  EXPECT_EQ(truths("The speech is fast."), "u");
}

}  // namespace
}  // namespace prosodia
