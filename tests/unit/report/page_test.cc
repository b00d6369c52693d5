#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "orchestrator/report/page_json.h"
#include "orchestrator/report/report.h"
#include "tests/unit/card/well_formed.h"
#include "tests/unit/report/made_run.h"

namespace prosodia {
namespace {

using ::testing::HasSubstr;
using testing::kHostile;
using testing::MadeRun;
using ::testing::Not;

std::filesystem::path folder(const std::string& name) {
  return std::filesystem::path(::testing::TempDir()) / ("prosodia-report-" + name);
}

std::string page_of(const std::vector<RunInput>& runs, const ReportOptions& options = {}) {
  auto page = make_report(posix_file_system(), runs, options);
  EXPECT_TRUE(page) << page.error().message;
  return page.value_or("");
}

nlohmann::json data_of(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const size_t at = page.find(begin) + begin.size();
  return nlohmann::json::parse(page.substr(at, page.find("</script>", at) - at));
}

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += part.size()) ++found;
  return found;
}

TEST(ReportPage, IsWellFormedAndHasEverythingInside) {
  const std::string page = page_of({make_run(MadeRun{}, folder("a"))});
  EXPECT_EQ(malformed(page), "");
  const size_t data = page.find("id=\"data\">");
  const std::string own = page.substr(0, data) + page.substr(page.find("</script>", data));
  for (const char* outside : {"http://", "https://", " src=", "@import", "url(", "<link", "innerHTML", "eval("})
    EXPECT_EQ(own.find(outside), std::string::npos) << outside;
}

TEST(ReportPage, HostileTextsStayTexts) {
  const std::string page = page_of({make_run(MadeRun{}, folder("b"))});
  EXPECT_EQ(count(page, "<script"), 2u);
  EXPECT_EQ(count(page, "</script"), 2u);
  EXPECT_EQ(count(page, "</title"), 1u);
  EXPECT_THAT(page, Not(HasSubstr("<img")));
  const auto run = data_of(page)["runs"][0];
  EXPECT_EQ(run["name"], MadeRun{}.name);
  const std::string text = run["groups"][0]["r"][0]["t"];
  EXPECT_THAT(text, HasSubstr(kHostile.substr(0, kHostile.find('\xff'))));
  EXPECT_THAT(text, HasSubstr("\xef\xbf\xbd ]]>")) << "what is no UTF-8 is replaced";
  EXPECT_EQ(run["texts"][run["groups"][0]["p"].get<size_t>()], "How does </script> she feel?");
}

TEST(ReportPage, ShowsGroupsWithTheirClaimsAndAdvantages) {
  const auto run = data_of(page_of({make_run(MadeRun{}, folder("c"))}))["runs"][0];
  ASSERT_EQ(run["groups"].size(), 40u);
  const auto group = run["groups"][5];
  EXPECT_EQ(group["s"], 2) << "steps count as in metrics.jsonl";
  EXPECT_EQ(group["lv"]["pitch"], "high");
  double sum = 0;
  for (const auto& response : group["r"]) sum += response["a"].get<double>();
  EXPECT_NEAR(sum, 0, 1e-3);
  EXPECT_EQ(group["r"][3]["st"], "timeout");
  const auto claims = group["r"][1]["c"];
  ASSERT_EQ(claims.size(), 2u);
  EXPECT_EQ(claims[0][2], static_cast<int>(ClaimTruth::kTrue));   // pitch high
  EXPECT_EQ(claims[1][2], static_cast<int>(ClaimTruth::kFalse));  // energy high, measured low
  const std::string text = group["r"][1]["t"];
  EXPECT_EQ(text.substr(claims[0][0], claims[0][1].get<size_t>() - claims[0][0].get<size_t>()), "high");
}

TEST(ReportPage, CountsAnswersOfAllGroupsThatThereAre) {
  const auto run = data_of(page_of({make_run(MadeRun{}, folder("d"))}))["runs"][0];
  size_t responses = 0, others = 0;
  for (const auto& bin : run["answers"]["bins"])
    for (size_t i = 0; i < bin[2].size(); i += 3) {
      responses += bin[2][i + 2].get<size_t>();
      if (bin[2][i + 1] == run["answers"]["labels"].size()) others += bin[2][i + 2].get<size_t>();
    }
  EXPECT_EQ(responses, 160u);
  EXPECT_GT(others, 0u) << "\"whisper\" is no label here";
}

TEST(ReportPage, StaysBelowItsSizeAndSaysWhatIsLeftOut) {
  MadeRun made{.steps = 200, .groups = 8, .responses = 8};
  for (int i = 0; i < 6; ++i) made.filler += "The voice rises towards the end, & \"so\" the mood is bright. ";
  const RunInput run = make_run(made, folder("large"));
  const std::string page = page_of({run});
  EXPECT_LT(page.size(), 4'500'000u);
  EXPECT_GT(page.size(), 4'000'000u) << "the room is used";
  const auto data = data_of(page)["runs"][0];
  EXPECT_EQ(data["groups_there"], 1600);
  EXPECT_EQ(data["groups"].front()["s"], 1);
  EXPECT_EQ(data["groups"].back()["s"], 200);
  EXPECT_THAT(data["notes"].dump(), HasSubstr("of 1600 groups of responses are shown"));
  const std::string small = page_of({run}, {.max_megabytes = 1});
  EXPECT_LT(small.size(), 1'000'000u);
  EXPECT_GT(data_of(small)["runs"][0]["groups"].size(), 20u);
}

TEST(ReportPage, ComparesRunsAndSurvivesMissingParts) {
  const RunInput one = make_run(MadeRun{}, folder("e"));
  RunInput two = make_run(MadeRun{.steps = 6, .groups = 2, .name = "two"}, folder("f"));
  std::filesystem::remove_all(two.dir / "trace");
  std::ofstream(two.dir / "rollouts" / "step-000000-000005.h5") << "no HDF5";
  two.config.clear();
  const std::string page = page_of({one, two});
  EXPECT_EQ(malformed(page), "");
  const auto runs = data_of(page)["runs"];
  EXPECT_EQ(runs[0]["config"][0][1], "1e-6");
  EXPECT_EQ(runs[1]["groups"].size(), 0u);
  EXPECT_THAT(runs[1]["notes"].dump(), HasSubstr("Left out"));
  EXPECT_EQ(runs[1]["timeline"]["steps"].size(), 0u);
}

TEST(ReportPage, ClipsThatCannotBeReadAreSaid) {
  const RunInput run = make_run(MadeRun{}, folder("g"));
  const auto data = data_of(page_of({run}, {.audio_clips = 3}))["runs"][0];
  EXPECT_TRUE(data["clips"].empty());
  EXPECT_THAT(data["notes"].dump(), HasSubstr("could not be read"));
}

TEST(ReportPage, AFolderThatIsNoRunIsRefused) {
  const auto page = make_report(posix_file_system(), {{.dir = folder("nothing"), .name = "x"}}, {});
  ASSERT_FALSE(page);
  EXPECT_EQ(page.error().code, ErrorCode::kInvalidInput);
  EXPECT_THAT(page.error().message, HasSubstr("metrics.jsonl"));
}

}  // namespace
}  // namespace prosodia
