// The page of the newest responses: a list, the chosen one below it, or that one alone.
#include <fmt/format.h>

#include <algorithm>

#include "orchestrator/monitor/watch/page_parts.h"
#include "orchestrator/monitor/watch/plot.h"

namespace prosodia::watch {
namespace {

std::string one_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string reasoning_text(const SampledResponse& response) {
  if (response.reasoning_status == "value") return fmt::format("{:.2f}", response.reasoning);
  return response.reasoning_status.empty() ? "–" : response.reasoning_status.substr(0, 4);
}

// Everything about one response, wrapped.
std::vector<std::string> details(const LoggedResponse& logged, int columns) {
  const SampledResponse& r = logged.response;
  const std::vector<std::string> heads = {
      fmt::format("step {}  group {}.{}  {}  {} tokens{}", logged.step, r.group_id, r.sample_index, r.id, r.num_tokens,
                  r.finish_reason == "length" ? ", cut off" : ""),
      fmt::format(
          "reward {:.3f}  format {:g}  accuracy {:g}  reasoning {}  trust {:.2f}  gate {:.2f}  advantage {:+.2f}",
          r.total, r.format, r.accuracy, reasoning_text(r), r.trust, r.gate, r.advantage)};
  std::string more;
  if (r.reasoning_status == "value")
    for (size_t i = 0; i < kCriterionNames.size(); ++i)
      more += fmt::format("{} {:g}  ", kCriterionNames[i], r.criteria[i]);
  if (r.has_faithfulness) more += fmt::format("faithfulness {:.2f}", r.faithfulness);
  std::vector<std::string> lines;
  for (const std::string& head : heads)
    for (std::string& line : wrap(head, columns)) lines.push_back(std::move(line));
  if (!more.empty())
    for (std::string& line : wrap(more, columns)) lines.push_back(std::move(line));
  if (!r.present) lines.emplace_back("not trained on: no reasoning score came");
  for (const auto& [label, text] : {std::pair("label     ", &r.solution), std::pair("audio     ", &r.audio),
                                    std::pair("question  ", &r.prompt), std::pair("response  ", &r.response)}) {
    if (text->empty()) continue;
    std::string head = label;
    for (const std::string& piece : wrap(*text, std::max(columns - 10, 10))) {
      lines.push_back(head + piece);
      head = std::string(10, ' ');
    }
  }
  return lines;
}

void draw_details(Canvas& canvas, const Rect& area, const LoggedResponse& logged, int scroll) {
  const auto lines = details(logged, area.columns - 2);
  for (int i = 0; i < area.rows && scroll + i < static_cast<int>(lines.size()); ++i)
    canvas.text(area.row + i, area.column + 1, area.columns - 1, lines[static_cast<size_t>(scroll + i)],
                i + scroll < 2 ? Style::kStrong : Style::kPlain);
}

}  // namespace

void draw_response_line(Canvas& canvas, int row, const Rect& area, const LoggedResponse& logged, Style style) {
  const SampledResponse& r = logged.response;
  const std::string scores = fmt::format("{:>4}  {:>6.3f}  {:g}  {:g}  {:<4} {:>+6.2f}", logged.step, r.total, r.format,
                                         r.accuracy, reasoning_text(r), r.advantage);
  canvas.text(row, area.column + 1, 33, scores, r.accuracy >= 0.5 ? Style::kGood : Style::kPlain);
  canvas.text(row, area.column + 35, area.column + area.columns - 36, one_line(r.response), style);
}

void draw_responses(Canvas& canvas, const Rect& area, const Model& model, View& view) {
  const int count = static_cast<int>(model.responses.size());
  if (count == 0) {
    canvas.text(area.row + 1, area.column + 2, area.columns - 2, "No responses yet.", Style::kDim);
    return;
  }
  view.selected = std::clamp(view.selected, 0, count - 1);
  const LoggedResponse& chosen = model.responses[static_cast<size_t>(count - 1 - view.selected)];
  if (view.whole_response) {
    const int lines = static_cast<int>(details(chosen, area.columns - 2).size());
    view.scroll = clamp_scroll(view.scroll, lines, area.rows);
    return draw_details(canvas, area, chosen, view.scroll);
  }
  const int list_rows = std::clamp(area.rows / 2, 3, 20);
  const int first = std::clamp(view.selected - list_rows / 2, 0, std::max(count - (list_rows - 1), 0));
  canvas.text(area.row, area.column + 1, area.columns - 2, "step  reward  f  o  R_t   adv    response", Style::kDim);
  for (int i = 0; i < list_rows - 1 && first + i < count; ++i) {
    const int row = area.row + 1 + i;
    const bool here = first + i == view.selected;
    draw_response_line(canvas, row, area, model.responses[static_cast<size_t>(count - 1 - first - i)],
                       here ? Style::kStrong : Style::kPlain);
    if (here) canvas.put(row, area.column, U'>', Style::kStrong);
  }
  canvas.fill({area.row + list_rows, area.column, 1, area.columns}, U'─', Style::kDim);
  draw_details(canvas, {area.row + list_rows + 1, area.column, area.rows - list_rows - 1, area.columns}, chosen, 0);
}

}  // namespace prosodia::watch
