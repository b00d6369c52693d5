// The curves: which ones, the grid they lie in, and the pages made of them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "orchestrator/monitor/watch/page_parts.h"
#include "orchestrator/monitor/watch/plot.h"

namespace prosodia::watch {
namespace {

constexpr int kChartColumns = 26, kChartRows = 7;  // the smallest that is pleasant to read
constexpr int kMaxGridColumns = 5;

const std::vector<ChartSpec>& known_charts() {
  static const std::vector<ChartSpec> kCharts = {
      {"reward", metric::kReward, {}, {}},
      {"accuracy", metric::kAccuracy, 0, 1},
      {"reasoning R_t", metric::kReasoning, 0, 1},
      {"format", metric::kFormat, 0, 1},
      {"KL to reference", metric::kKl, {}, {}},
      {"completion length", metric::kMeanLength, {}, {}},
      {"trust tau", metric::kTrust, 0, 1},
      {"gate", metric::kGate, 0, 1},
      {"entropy", metric::kEntropy, {}, {}},
      {"cut off", metric::kClippedRatio, 0, {}},
      {"clip ratio", metric::kClipRatio, 0, {}},
      {"staleness, steps", "run/staleness", 0, {}},
      {"faithfulness", metric::kFaithfulness, 0, 1},
      {"factual alignment", "rewards/factual_alignment/mean", 1, 5},
      {"interpretation", "rewards/interpretative_quality/mean", 1, 5},
      {"completeness", "rewards/caption_completeness/mean", 1, 5},
      {"fluency, clarity", "rewards/fluency_clarity/mean", 1, 5},
      {"R_t of right answers", "rewards/reasoning/mean_correct", 0, 1},
      {"R_t of wrong answers", "rewards/reasoning/mean_wrong", 0, 1},
      {"reward std", metric::kRewardStd, 0, {}},
      {"groups without signal", metric::kFracRewardZeroStd, 0, 1},
      {"loss", metric::kLoss, {}, {}},
      {"gradient norm", metric::kGradNorm, 0, {}},
      {"evaluation loss", "eval_loss", {}, {}},
      {"token accuracy", "eval_mean_token_accuracy", 0, 1},
      {"learning rate", metric::kLearningRate, 0, {}},
      {"sampler-learner logp", metric::kLogpDifferenceMax, 0, {}},
      {"tokens/s", metric::kTokensPerSecond, 0, {}},
      {"seconds per step", metric::kStepTime, 0, {}},
      {"training time ratio", metric::kEffectiveTraining, 0, 1},
  };
  return kCharts;
}

int grid_columns(int columns) { return std::clamp(columns / kChartColumns, 1, kMaxGridColumns); }

}  // namespace

std::vector<ChartSpec> charts_of(const RunHistory& history) {
  std::vector<ChartSpec> charts;
  for (const ChartSpec& chart : known_charts())
    if (history.has(chart.metric)) charts.push_back(chart);
  constexpr std::string_view kByLabel = "rewards/accuracy/emotion/";
  for (const std::string& name : history.names_with_prefix(std::string(kByLabel)))
    charts.push_back({"accuracy: " + name.substr(kByLabel.size()), name, 0, 1});
  return charts;
}

StepRange shown_steps(const RunHistory& history, const View& view) {
  const auto last = static_cast<double>(history.last_step());
  auto first = static_cast<double>(history.first_step());
  if (const int zoom = kZoomSteps[view.zoom]; zoom > 0) first = std::max(first, last - zoom + 1);
  return {first, last};
}

int draw_chart_grid(Canvas& canvas, const Rect& area, const Model& model, const View& view,
                    const std::vector<ChartSpec>& charts, size_t first) {
  const int across = grid_columns(area.columns);
  const int down = std::max(area.rows / (kChartRows + (area.rows > 30 ? 2 : 0)), 1);
  const int columns = area.columns / across, rows = area.rows / down;
  const StepRange range = shown_steps(model.history, view);
  const int window = kSmoothing[view.smoothing] > 0 ? kSmoothing[view.smoothing]
                                                    : static_cast<int>((range.last - range.first + 1) / 20);
  for (size_t i = first; i < charts.size() && i - first < static_cast<size_t>(across * down); ++i) {
    const auto slot = static_cast<int>(i - first);
    const ChartSpec& chart = charts[i];
    const auto values =
        RunHistory::smooth(model.history.values(chart.metric), is_drawn_unsmoothed(chart.metric) ? 1 : window);
    const PlotOptions options{chart.title, chart.y_min, chart.y_max, range.first, range.last};
    plot(canvas, {area.row + slot / across * rows, area.column + slot % across * columns + 1, rows, columns - 1},
         options, values);
  }
  return across;
}

void draw_curves(Canvas& canvas, const Rect& area, const Model& model, View& view) {
  const auto charts = charts_of(model.history);
  if (charts.empty()) {
    canvas.text(area.row + 1, area.column + 2, area.columns - 2, "No step has ended yet.", Style::kDim);
    return;
  }
  const int across = grid_columns(area.columns);
  const int grid_rows = (static_cast<int>(charts.size()) + across - 1) / across;
  const int down = std::max(area.rows / kChartRows, 1);
  view.scroll = clamp_scroll(view.scroll, grid_rows, down);
  draw_chart_grid(canvas, area, model, view, charts, static_cast<size_t>(view.scroll * across));
}

namespace {

std::string workers_text(const Model& model) {
  std::string text;
  if (model.live) {
    for (const auto& [role, states] : model.live->by_state) {
      if (role == "learner") continue;  // one group of ranks; its state says more
      text += role;
      for (const auto& [state, count] : states) text += fmt::format(" {} {}", count, state);
      text += " · ";
    }
    return text + fmt::format("learner {} · {} leases", model.live->learner, model.live->active_leases);
  }
  for (const std::string& name : model.history.names_with_prefix("workers/"))
    text += fmt::format("{}{} {:.0f} live", text.empty() ? "" : "   ", name.substr(8), model.history.last(name));
  return text.empty() ? "unknown" : text;
}

}  // namespace

void draw_overview(Canvas& canvas, const Rect& area, const Model& model, View& view) {
  const int summary = std::clamp(area.rows / 3, 4, 10);
  view.scroll = 0;
  const auto charts = charts_of(model.history);
  draw_chart_grid(canvas, {area.row, area.column, area.rows - summary, area.columns}, model, view, charts, 0);
  int row = area.row + area.rows - summary;
  canvas.text(row, 1, 8, "time", Style::kDim);
  draw_time_bar(canvas, row++, 9, area.columns - 10, model.history, static_cast<double>(model.history.last_step()));
  canvas.text(row, 1, 8, "workers", Style::kDim);
  canvas.text(row++, 9, area.columns - 10, workers_text(model));
  if (model.live && !model.live->message.empty()) {
    canvas.text(row, 1, 8, "message", Style::kDim);
    canvas.text(row++, 9, area.columns - 10, model.live->message, Style::kWarning);
  }
  canvas.text(row++, 1, area.columns - 2, "step  reward  f  o  R_t   adv    newest responses", Style::kDim);
  const int end = area.row + area.rows;
  for (auto it = model.responses.rbegin(); it != model.responses.rend() && row < end; ++it)
    draw_response_line(canvas, row++, area, *it, Style::kPlain);
}

}  // namespace prosodia::watch
