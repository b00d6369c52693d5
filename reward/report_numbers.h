// Numbers of a report, once for every page, table and JSON: an undefined one is null in JSON and an en dash for
// people, never 0. For the writers in this folder. Pure.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "reward/evaluation.h"

namespace prosodia {

nlohmann::json json_number(double value);
nlohmann::json json_estimate(const Estimate& estimate);  // {"value", "low", "high"}
std::string shown_number(double value, int decimals);

}  // namespace prosodia
