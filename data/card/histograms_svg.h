// One quantity's distribution for each emotion, as rows over a common axis. Pure function.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace prosodia {

// `values`: emotion -> ascending values; only emotions of `order` that have some are drawn. "" when none has.
std::string histograms_svg(std::string_view title, std::string_view unit, const std::vector<std::string>& order,
                           const std::map<std::string, std::vector<double>>& values);

}  // namespace prosodia
