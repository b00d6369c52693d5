#include "orchestrator/report/page_json.h"

#include <cmath>
#include <map>

#include "data/base/json.h"
#include "orchestrator/monitor/curve_panels.h"
#include "orchestrator/monitor/metric_table.h"
#include "orchestrator/report/read_run.h"

namespace prosodia {
namespace {

using nlohmann::ordered_json;

ordered_json number(double value) {
  if (!std::isfinite(value)) return nullptr;
  if (value == std::round(value) && std::abs(value) < 1e15) return static_cast<int64_t>(value);
  return std::strtod(fmt::format("{:.5g}", value).c_str(), nullptr);
}

// Each text once.
class Texts {
 public:
  size_t index(const std::string& text) {
    const auto [found, is_new] = indices_.try_emplace(text, list_.size());
    if (is_new) list_.push_back(text);
    return found->second;
  }
  ordered_json take() { return std::move(list_); }

 private:
  std::map<std::string, size_t> indices_;
  std::vector<std::string> list_;
};

ordered_json panels_json() {
  ordered_json panels = ordered_json::array();
  for (const Panel& panel : curve_panels()) {
    ordered_json series = ordered_json::array();
    for (const auto& [label, metric] : panel.series) series.push_back({label, metric});
    ordered_json entry = {{"title", panel.title}, {"series", series}};
    if (panel.y_min) entry["min"] = *panel.y_min;
    if (panel.y_max) entry["max"] = *panel.y_max;
    if (*panel.open_prefix != '\0') entry["prefix"] = panel.open_prefix;
    panels.push_back(std::move(entry));
  }
  return panels;
}

// The meaning of every metric that some run has.
ordered_json metrics_json(std::span<const ShownRun> runs) {
  ordered_json metrics = ordered_json::object();
  for (const ShownRun& run : runs) {
    for (const std::string& name : run.history.names_with_prefix("")) {
      const MetricInfo* info = find_metric(name);
      if (info == nullptr || metrics.contains(name)) continue;
      metrics[name] = {info->unit, info->meaning, info->source};
    }
  }
  return metrics;
}

ordered_json curves_json(const ShownRun& run) {
  ordered_json curves = ordered_json::object();
  for (const std::string& name : run.history.names_with_prefix("")) {
    ordered_json steps = ordered_json::array(), values = ordered_json::array();
    for (const CurvePoint& point : run.history.curve(name, kCurvePoints)) {
      steps.push_back(number(point.step));
      values.push_back(number(point.value));
    }
    curves[name] = {std::move(steps), std::move(values)};
  }
  // Most metrics are there at every step: those share one axis.
  std::map<std::string, size_t> often;
  for (const auto& [name, curve] : curves.items()) ++often[curve[0].dump()];
  const auto common =
      std::max_element(often.begin(), often.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  if (common == often.end()) return {{"steps", ordered_json::array()}, {"series", curves}};
  for (auto& [name, curve] : curves.items())
    if (curve[0].dump() == common->first) curve[0] = nullptr;
  return {{"steps", ordered_json::parse(common->first)}, {"series", std::move(curves)}};
}

ordered_json answers_json(const AnswerHistory& answers) {
  constexpr size_t kBins = 200;
  ordered_json bins = ordered_json::array();
  for (const AnswerHistory::Bin& bin : answers.bins(kBins)) {
    ordered_json counts = ordered_json::array();
    for (const auto& [pair, count] : bin.counts) {
      counts.push_back(pair.first);
      counts.push_back(pair.second);
      counts.push_back(count);
    }
    bins.push_back({bin.first_step, bin.last_step, std::move(counts)});
  }
  return {{"labels", answers.labels()}, {"bins", std::move(bins)}};
}

ordered_json claims_json(const std::vector<MarkedClaim>& claims) {
  ordered_json list = ordered_json::array();
  for (const MarkedClaim& claim : claims)
    list.push_back({claim.begin, claim.end, static_cast<int>(claim.truth), attribute_name(claim.attribute), claim.level,
                    claim.negated ? 1 : 0});
  return list;
}

ordered_json response_json(const ShownResponse& response) {
  const SampledResponse& s = response.sample;
  ordered_json json = {{"t", s.response},          {"R", s.present ? number(s.total) : ordered_json()},
                       {"f", number(s.format)},    {"o", number(s.accuracy)},
                       {"a", number(s.advantage)}, {"n", s.num_tokens}};
  if (s.finish_reason != "stop") json["cut"] = 1;
  if (s.reasoning_status == "value") {
    json["rt"] = number(s.reasoning);
    json["g"] = ordered_json::array();
    for (const double grade : s.criteria) json["g"].push_back(number(grade));
  } else if (!s.reasoning_status.empty()) {
    json["st"] = s.reasoning_status;
  }
  if (s.has_faithfulness) json["fa"] = number(s.faithfulness);
  if (!response.claims.empty()) {
    json["c"] = claims_json(response.claims);
    json["ct"] = {response.true_claims, response.checkable_claims};
  }
  return json;
}

ordered_json group_json(const ShownGroup& group, Texts& texts) {
  static const SampledResponse kNone;
  const SampledResponse& first = group.responses.empty() ? kNone : group.responses.front().sample;
  ordered_json json = {{"s", group.step},
                       {"i", group.group_id},
                       {"v", group.policy_version},
                       {"id", first.id},
                       {"p", texts.index(first.prompt)},
                       {"sol", texts.index(first.solution)}};
  if (!group.audio.empty()) json["au"] = texts.index(group.audio);
  if (!group.transcript.empty()) json["tr"] = texts.index(group.transcript);
  json["tau"] = number(first.trust);
  json["gate"] = number(first.gate);
  ordered_json levels = ordered_json::object();
  for (const Attribute attribute : kAttributes)
    if (!group.levels[attribute].empty()) levels[std::string(attribute_name(attribute))] = group.levels[attribute];
  json["lv"] = std::move(levels);
  json["ls"] = static_cast<int>(group.level_source);
  json["r"] = ordered_json::array();
  for (const ShownResponse& response : group.responses) json["r"].push_back(response_json(response));
  return json;
}

ordered_json timeline_json(const Timeline& timeline) {
  ordered_json steps = ordered_json::array(), totals = ordered_json::array();
  for (const TimelineStep& step : timeline.steps) {
    ordered_json phases = ordered_json::array();
    for (const TimelinePhase& phase : step.phases)
      phases.push_back(
          {phase.process, phase.name, phase.lane, phase.step, number(phase.begin_ms), number(phase.duration_ms)});
    steps.push_back({{"s", step.step},
                     {"at", number(step.begin_s)},
                     {"ms", number(step.duration_ms)},
                     {"ph", std::move(phases)},
                     {"left", step.left_out}});
  }
  for (const PhaseTotal& total : timeline.totals)
    totals.push_back({total.process, total.name, total.count, number(total.seconds)});
  return {{"processes", timeline.processes}, {"names", timeline.names},         {"steps", std::move(steps)},
          {"totals", std::move(totals)},     {"traced", timeline.steps_traced}, {"seconds", number(timeline.seconds)}};
}

ordered_json run_json(const ShownRun& run, size_t run_index) {
  Texts texts;
  ordered_json groups = ordered_json::array(), config = ordered_json::array(), clips = ordered_json::object();
  for (const ShownGroup& group : run.groups) groups.push_back(group_json(group, texts));
  for (const ConfigValue& value : run.config) config.push_back({value.name, value.value, value.section, value.help});
  for (size_t i = 0; i < run.clips.size(); ++i) clips[run.clips[i].audio] = fmt::format("clip-{}-{}", run_index, i);
  ordered_json notes = run.notes;
  for (const std::string& note : run.level_notes) notes.push_back(note);
  ordered_json seconds = ordered_json::array();
  for (const double value : run.seconds) seconds.push_back(number(std::round(value * 100) / 100));
  return {{"name", run.name},
          {"path", run.path},
          {"last", run.history.last_step()},
          {"total", run.history.total_steps()},
          {"elapsed", number(run.history.last_wall_time() - run.history.first_wall_time())},
          {"ended", number(run.history.last_wall_time())},
          {"seconds", std::move(seconds)},
          {"curves", curves_json(run)},
          {"answers", answers_json(run.answers)},
          {"texts", texts.take()},
          {"groups", std::move(groups)},
          {"groups_there", run.groups_there},
          {"clips", std::move(clips)},
          {"config", std::move(config)},
          {"timeline", timeline_json(run.timeline)},
          {"notes", std::move(notes)}};
}

}  // namespace

ordered_json page_json(std::span<const ShownRun> runs) {
  ordered_json list = ordered_json::array();
  for (size_t i = 0; i < runs.size(); ++i) list.push_back(run_json(runs[i], i));
  return {{"panels", panels_json()}, {"metrics", metrics_json(runs)}, {"runs", std::move(list)}};
}

size_t group_bytes(const ShownGroup& group, std::set<std::string>& seen) {
  Texts texts;
  size_t bytes = embedded_json(group_json(group, texts)).size() + 1;
  for (const auto& text : texts.take())
    if (seen.insert(text.get<std::string>()).second) bytes += embedded_json(text).size() + 1;
  return bytes;
}

std::string embedded_json(const ordered_json& json) {
  const std::string plain = dump_line(json);
  std::string out;
  out.reserve(plain.size() + plain.size() / 16);
  for (const char c : plain) {
    if (c == '<')
      out += "\\u003c";
    else
      out += c;
  }
  return out;
}

}  // namespace prosodia
