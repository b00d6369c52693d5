// What a check found: one line a person reads, and what to do about it. Value types; pure functions.
#pragma once

#include <string>
#include <vector>

#include "data/base/status.h"

namespace prosodia::doctor {

enum class Level { kOk, kWarn, kBad };

struct Finding {
  Level level = Level::kOk;
  std::string subject;                        // "journal", "checkpoints/step-000004", "disk"
  std::string what;                           // what was seen
  std::string next;                           // what to do; empty when ok
  ErrorCode code = ErrorCode::kInvalidInput;  // of a bad one: decides the exit code
};

using Findings = std::vector<Finding>;

inline Finding ok(std::string subject, std::string what) {
  return {Level::kOk, std::move(subject), std::move(what), "", {}};
}
inline Finding warn(std::string subject, std::string what, std::string next) {
  return {Level::kWarn, std::move(subject), std::move(what), std::move(next), {}};
}
inline Finding bad(std::string subject, std::string what, std::string next, ErrorCode code) {
  return {Level::kBad, std::move(subject), std::move(what), std::move(next), code};
}

// A table, one finding a line, its advice below it.
std::string to_text(const Findings& findings);
// 0 when nothing is bad; otherwise the exit code of the gravest: 5 before 3 before the others.
int exit_code_of(const Findings& findings);

}  // namespace prosodia::doctor
