#include "data/base/philox.h"

#include <cmath>
#include <numbers>

namespace prosodia {

float PhiloxStream::next_normal() {
  const double radius = std::sqrt(-2.0 * std::log(static_cast<double>(next_unit())));
  return static_cast<float>(radius * std::cos(2.0 * std::numbers::pi * next_unit()));
}

}  // namespace prosodia
