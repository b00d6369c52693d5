#include "reward/rm_report_text.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "data/base/markup.h"
#include "reward/report_numbers.h"

namespace prosodia {
namespace {

using nlohmann::json;

constexpr std::string_view kStyle =
    ":root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:980px;margin:2em auto;padding:0 "
    "1em}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
    "th,td{padding:5px 10px;text-align:right;border-bottom:1px solid #8886}th:first-child{text-align:left}"
    "small{opacity:.7}figure{display:inline-block;margin:8px 16px 8px 0}svg text{font:11px "
    "sans-serif;fill:currentColor}";

struct Named {
  std::string name;
  const CriterionAgreement* agreement;
};

std::vector<Named> rows(const RmReport& report) {
  std::vector<Named> rows;
  for (size_t j = 0; j < kNumCriteria; ++j)
    rows.push_back({std::string(name(static_cast<Criterion>(j))), &report.criteria[j]});
  rows.push_back({"mean of the four", &report.mean});
  return rows;
}

json to_json(const CriterionAgreement& agreement) {
  json bins = json::array();
  for (const CalibrationBin& bin : agreement.bins)
    bins.push_back({{"low", bin.low},
                    {"high", bin.high},
                    {"records", bin.records},
                    {"mean_grade", json_number(bin.mean_grade)},
                    {"mean_prescribed", json_number(bin.mean_prescribed)}});
  return {{"spearman", json_estimate(agreement.spearman)},
          {"pearson", json_estimate(agreement.pearson)},
          {"mean_absolute_error", json_estimate(agreement.mean_absolute_error)},
          {"calibration_error", json_estimate(agreement.calibration_error)},
          {"calibration", bins}};
}

std::string shown(const Estimate& e, int decimals) {
  if (!std::isfinite(e.low)) return shown_number(e.value, decimals);
  return fmt::format("{} [{}, {}]", shown_number(e.value, decimals), shown_number(e.low, decimals),
                     shown_number(e.high, decimals));
}

std::string counts(const RmReport& report) {
  return fmt::format("{} rows, {} graded; unparsable {}, timeouts {}, errors {}", report.records, report.graded,
                     shown(report.unparsable, 3), report.timeouts, report.errors);
}

// Mean prescribed over mean grade per bin, the diagonal being perfect; area of a dot: records.
std::string calibration_chart(const Named& row) {
  constexpr double kSize = 180, kMargin = 24;
  const auto x = [&](double grade) { return kMargin + kSize * (grade - 1) / 4; };
  const auto y = [&](double grade) { return kMargin / 2 + kSize * (5 - grade) / 4; };
  std::string svg = fmt::format(
      "<figure><figcaption>{0}</figcaption><svg width=\"{1}\" height=\"{1}\" role=\"img\" aria-label=\"calibration of "
      "{0}\"><path d=\"M{2:.0f} {3:.0f}L{4:.0f} {5:.0f}\" stroke=\"#8888\"/>",
      escape_markup(row.name), kSize + 2 * kMargin, x(1), y(1), x(5), y(5));
  for (int tick = 1; tick <= 5; ++tick) {
    svg += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\" text-anchor=\"middle\">{}</text>", x(tick), y(1) + 18, tick);
    svg += fmt::format("<text x=\"{:.0f}\" y=\"{:.0f}\">{}</text>", kMargin - 16, y(tick) + 4, tick);
  }
  int64_t all = 1;
  for (const CalibrationBin& bin : row.agreement->bins) all = std::max(all, bin.records);
  for (const CalibrationBin& bin : row.agreement->bins) {
    if (bin.records == 0) continue;
    const double radius = 2 + 8 * std::sqrt(static_cast<double>(bin.records) / static_cast<double>(all));
    svg += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"{:.1f}\" fill=\"#2f6fb3\" fill-opacity=\".7\"><title>{} rows: graded "
        "{:.2f}, prescribed {:.2f}</title></circle>",
        x(bin.mean_grade), y(bin.mean_prescribed), radius, bin.records, bin.mean_grade, bin.mean_prescribed);
  }
  return svg + "</svg></figure>\n";
}

}  // namespace

json to_json(const RmReport& report) {
  json object = {{"records", report.records},
                 {"graded", report.graded},
                 {"unparsable", json_estimate(report.unparsable)},
                 {"timeouts", report.timeouts},
                 {"errors", report.errors},
                 {"mean", to_json(report.mean)},
                 {"confidence", report.options.confidence}};
  for (size_t j = 0; j < kNumCriteria; ++j)
    object["criteria"][std::string(name(static_cast<Criterion>(j)))] = to_json(report.criteria[j]);
  if (!report.first_failure.empty()) object["first_failure"] = report.first_failure;
  return object;
}

std::string to_text(const RmReport& report) {
  std::string text = counts(report) + "\n";
  if (!report.first_failure.empty()) text += "first without a grade: " + report.first_failure + "\n";
  text += fmt::format("  {:<32}{:<20}{:<20}{:<20}{}\n", "criterion", "Spearman", "Pearson", "abs. error",
                      "calibration error");
  for (const Named& row : rows(report)) {
    const CriterionAgreement& a = *row.agreement;
    text += fmt::format("  {:<32}{:<20}{:<20}{:<20}{}\n", row.name, shown(a.spearman, 2), shown(a.pearson, 2),
                        shown(a.mean_absolute_error, 2), shown(a.calibration_error, 2));
  }
  text += "  calibration: grades in a bin, their mean and the mean prescribed\n";
  for (const Named& row : rows(report)) {
    text += fmt::format("  {:<31}", row.name);
    for (const CalibrationBin& bin : row.agreement->bins)
      if (bin.records > 0) text += fmt::format(" {}: {:.2f}→{:.2f}", bin.records, bin.mean_grade, bin.mean_prescribed);
    text += "\n";
  }
  return text;
}

std::string to_html(const RmReport& report, const EvalPageInfo& info) {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><title>{0}</title><style>{1}</style></head><body>\n"
      "<h1>{0}</h1>\n<p>model: {2} · data: {3}<br>{4}</p>\n",
      escape_markup(info.title), kStyle, escape_markup(info.model), escape_markup(info.dataset),
      escape_markup(counts(report)));
  if (!report.first_failure.empty())
    html += fmt::format("<p>first without a grade: {}</p>\n", escape_markup(report.first_failure));
  html +=
      "<table><thead><tr><th>criterion</th><th>Spearman</th><th>Pearson</th><th>mean absolute error</th>"
      "<th>calibration error</th></tr></thead><tbody>\n";
  for (const Named& row : rows(report)) {
    html += fmt::format("<tr><th>{}</th>", escape_markup(row.name));
    for (const Estimate* e : {&row.agreement->spearman, &row.agreement->pearson, &row.agreement->mean_absolute_error,
                              &row.agreement->calibration_error})
      html += fmt::format("<td>{}</td>", shown(*e, 3));
    html += "</tr>\n";
  }
  html += fmt::format(
      "</tbody></table>\n<p><small>{:g} % percentile bootstrap intervals over rows, {} resamples, seed "
      "{}.</small></p>\n"
      "<h2>Calibration</h2>\n<p><small>Across: the model's grade, in bins. Up: the grade prescribed to those rows, on "
      "average. On the line, a grade means what it says.</small></p>\n",
      report.options.confidence * 100, report.options.bootstrap_samples, report.options.seed);
  for (const Named& row : rows(report)) html += calibration_chart(row);
  return html + "</body></html>\n";
}

}  // namespace prosodia
