#include "orchestrator/monitor/prometheus.h"

#include <gmock/gmock.h>

#include <regex>
#include <set>

#include "orchestrator/monitor/metric_table.h"
#include "tests/unit/watch/watch_model_util.h"

namespace prosodia {
namespace {

using testing::HasSubstr;
using testing::Not;

LiveStatus full_status() {
  LiveStatus status = watch::live_status();
  status.newest = watch::watched_step(60, 100);
  for (const MetricInfo& metric : metric_table())
    if (!metric.family.empty() && metric.name.find('<') == std::string_view::npos)
      status.newest.metrics.try_emplace(std::string(metric.name), 0.25);
  for (const CounterFamily& family : counter_families())
    status.counters.push_back({std::string(family.name), family.label.empty() ? "" : "x", 7});
  return status;
}

std::string text_of(const LiveStatus& status) {
  return prometheus_text(status, {.version = "1.2",
                                  .now = 2003.5,
                                  .disk_free_bytes = 1e9,
                                  .disk_size_bytes = 2e9,
                                  .cpu_seconds = 1,
                                  .resident_bytes = 2,
                                  .open_files = 3});
}

// The grammar of the text format: HELP, TYPE, samples of that family, each family once, a newline at the end.
void expect_well_formed(const std::string& text) {
  const std::regex sample(
      R"re(^([a-z_]+)(\{([a-z_]+="([^"\\\n]|\\[\\"n])*")(,[a-z_]+="([^"\\\n]|\\[\\"n])*")*\})? (NaN|[+-]Inf|-?[0-9.e+-]+)$)re");
  std::set<std::string> families, samples;
  std::string family, type;
  ASSERT_TRUE(text.ends_with('\n'));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (line.starts_with("# HELP ")) {
      family = line.substr(7, line.find(' ', 7) - 7);
      EXPECT_TRUE(families.insert(family).second) << line << ": twice";
      EXPECT_GT(line.size(), family.size() + 10) << line;
    } else if (line.starts_with("# TYPE ")) {
      EXPECT_TRUE(line.starts_with("# TYPE " + family + " ")) << line;
      type = line.substr(family.size() + 8);
      EXPECT_EQ(type == "counter", family.ends_with("_total")) << line;
    } else if (std::regex_match(line, match, sample)) {
      EXPECT_EQ(match[1], family) << line;
      EXPECT_TRUE(samples.insert(match[1].str() + match[2].str()).second) << line << ": twice";
    } else {
      ADD_FAILURE() << line;
    }
  }
}

TEST(Prometheus, IsWellFormedWhateverIsInIt) {
  LiveStatus status = full_status();
  status.run_name = "a \"run\" \\ with\nlines";
  status.newest.metrics[metric::kKl] = std::nan("");
  status.newest.metrics[metric::kLoss] = INFINITY;
  const std::string text = text_of(status);
  expect_well_formed(text);
  EXPECT_THAT(text, HasSubstr(R"(run="a \"run\" \\ with\nlines")"));
  expect_well_formed(text_of(LiveStatus{}));
}

TEST(Prometheus, SaysWhatTheDashboardAsks) {
  const std::string text = text_of(full_status());
  for (const char* line : {"prosodia_workers{role=\"rollout\",state=\"dead\"} 1\n", "prosodia_steps_total 60\n",
                           "prosodia_steps_planned 100\n", "prosodia_reward_mean 0.6\n",
                           "prosodia_reward_component_mean{component=\"accuracy\"} 0.5\n",
                           "prosodia_step_phase_seconds{phase=\"train\"} 0.6\n", "prosodia_status_age_seconds 3.5\n",
                           "prosodia_run_phase{phase=\"running\"} 1\n", "prosodia_run_phase{phase=\"failed\"} 0\n",
                           "prosodia_leases_expired_total{role=\"x\"} 7\n", "prosodia_run_disk_free_bytes 1000000000\n",
                           "prosodia_groups{state=\"planned\"} 4\n", "prosodia_learner_state{state=\"training\"} 1\n"})
    EXPECT_THAT(text, HasSubstr(line));
}

// Dashboard and alerts ask for families that are served.
TEST(Prometheus, MonitoringFilesAskForWhatIsServed) {
  const char* source = std::getenv("PROSODIA_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  const std::string served = text_of(full_status());
  for (const char* name : {"grafana-dashboard.json", "prosodia.rules.yml", "prosodia.rules.test.yml"}) {
    const auto text = posix_file_system().read_text(std::filesystem::path(source) / "scripts/monitoring" / name);
    ASSERT_TRUE(text) << text.error().message;
    const std::regex family("prosodia_[a-z_]+");
    int found = 0;
    for (std::sregex_iterator at(text->begin(), text->end(), family), end; at != end; ++at, ++found)
      EXPECT_THAT(served, HasSubstr("# TYPE " + at->str() + " ")) << name;
    EXPECT_GT(found, 10) << name;
  }
  EXPECT_TRUE(
      nlohmann::json::accept(posix_file_system()
                                 .read_text(std::filesystem::path(source) / "scripts/monitoring/grafana-dashboard.json")
                                 .value()));
}

TEST(Prometheus, AMetricThatIsNotThereIsNotZero) {
  LiveStatus status = full_status();
  status.newest.metrics.erase(metric::kKl);
  EXPECT_THAT(text_of(status), Not(HasSubstr("prosodia_kl_nats")));
}

TEST(MetricTable, NamesAreMatchedExactlyFirstThenByPattern) {
  EXPECT_EQ(find_metric("rewards/format/std")->name, "rewards/format/std");
  EXPECT_EQ(find_metric("rewards/fluency_clarity/std")->name, "rewards/<criterion>/std");
  EXPECT_EQ(find_metric("rewards/accuracy/emotion/very happy")->name, "rewards/accuracy/emotion/<label>");
  EXPECT_EQ(find_metric("ft/worker/refused/fenced/hello")->name, "ft/<lifecycle>/refused/<transition…>");
  EXPECT_EQ(find_metric("ft/lease/expired")->name, "ft/<lifecycle>/<reason>");
  EXPECT_EQ(find_metric("rewards/accuracy/emotion/"), nullptr);
  EXPECT_EQ(find_metric("nonsense"), nullptr);
  EXPECT_EQ(shown_name("kl", MetricNames::kVerl), "actor/kl_loss");
  EXPECT_EQ(shown_name("kl", MetricNames::kTrl), "kl");
  EXPECT_EQ(shown_name("ft/workers_lost", MetricNames::kVerl), "ft/workers_lost");
}

TEST(MetricTable, RowsAreCompleteAndUnambiguous) {
  std::set<std::string_view> names, verl;
  for (const MetricInfo& metric : metric_table()) {
    EXPECT_TRUE(names.insert(metric.name).second) << metric.name;
    EXPECT_FALSE(metric.unit.empty() || metric.meaning.size() < 8) << metric.name;
    if (!metric.verl.empty()) {
      EXPECT_TRUE(verl.insert(metric.verl).second) << metric.verl << ": two metrics in one curve";
    }
    for (const std::string_view text : {metric.unit, metric.meaning, metric.when, metric.verl, metric.family})
      EXPECT_EQ(text.find('|'), std::string_view::npos) << metric.name << ": breaks METRICS.md's table";
  }
  for (const auto verl_name : verl)
    EXPECT_TRUE(find_metric(verl_name) == nullptr || find_metric(verl_name)->verl == verl_name)
        << verl_name << " would fall together with a metric of that name";
}

// METRICS.md is generated; `prosodia report --list_metrics > orchestrator/monitor/METRICS.md` makes it new.
TEST(MetricTable, TheFileSaysTheSame) {
  const char* source = std::getenv("PROSODIA_SOURCE_DIR");
  ASSERT_NE(source, nullptr);
  const auto file = posix_file_system().read_text(std::filesystem::path(source) / "orchestrator/monitor/METRICS.md");
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(*file, metrics_markdown());
}

}  // namespace
}  // namespace prosodia
