#include "orchestrator/doctor/finding.h"

#include <algorithm>

namespace prosodia::doctor {

std::string to_text(const Findings& findings) {
  size_t width = 0;
  for (const Finding& finding : findings) width = std::max(width, finding.subject.size());
  std::string text;
  for (const Finding& finding : findings) {
    const char* level = finding.level == Level::kOk ? "ok  " : finding.level == Level::kWarn ? "warn" : "BAD ";
    text += fmt::format("{}  {:<{}}  {}\n", level, finding.subject, width, finding.what);
    if (!finding.next.empty()) text += fmt::format("{:>{}}  -> {}\n", "", width + 6, finding.next);
  }
  return text;
}

int exit_code_of(const Findings& findings) {
  int code = 0;
  for (const Finding& finding : findings) {
    if (finding.level != Level::kBad) continue;
    const int its = exit_code(finding.code);
    const auto rank = [](int exit_code) { return exit_code == 5 ? 3 : exit_code == 3 ? 2 : exit_code == 0 ? 0 : 1; };
    if (rank(its) > rank(code)) code = its;
  }
  return code;
}

}  // namespace prosodia::doctor
