#include "workers/learner/mixture.h"

#include <numeric>
#include <utility>

#include "data/base/check.h"
#include "data/base/philox.h"

namespace prosodia {
namespace {

std::vector<int64_t> permutation(int64_t size, uint64_t seed) {
  std::vector<int64_t> order(static_cast<size_t>(size));
  std::iota(order.begin(), order.end(), int64_t{0});
  PhiloxStream random(seed);
  for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.next_below(static_cast<uint32_t>(i))]);
  return order;
}

}  // namespace

MixtureOrder::MixtureOrder(std::vector<int64_t> sizes, std::vector<double> weights, uint64_t seed)
    : sizes_(std::move(sizes)),
      weights_(std::move(weights)),
      seed_(seed),
      taken_(sizes_.size()),
      order_(sizes_.size()) {
  PROSODIA_CHECK(!sizes_.empty() && sizes_.size() == weights_.size());
  const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
  for (double& weight : weights_) weight /= total;
}

// The dataset furthest behind its share; the first of equals.
int MixtureOrder::pick_dataset() {
  int best = 0;
  double best_debt = -1e300;
  for (size_t d = 0; d < sizes_.size(); ++d) {
    const double debt = weights_[d] * static_cast<double>(drawn_ + 1) - static_cast<double>(taken_[d]);
    if (debt > best_debt) {
      best_debt = debt;
      best = static_cast<int>(d);
    }
  }
  return best;
}

MixtureOrder::Draw MixtureOrder::next() {
  const int dataset = pick_dataset();
  const auto d = static_cast<size_t>(dataset);
  const int64_t pass = taken_[d] / sizes_[d], place = taken_[d] % sizes_[d];
  if (place == 0 || order_[d].empty())
    order_[d] = permutation(sizes_[d], mix_seed(mix_seed(seed_, d), static_cast<uint64_t>(pass)));
  ++taken_[d];
  ++drawn_;
  return {dataset, order_[d][static_cast<size_t>(place)]};
}

void MixtureOrder::skip(int64_t draws) {
  for (int64_t i = 0; i < draws; ++i) {
    ++taken_[static_cast<size_t>(pick_dataset())];
    ++drawn_;
  }
  for (auto& order : order_) order.clear();  // next() rebuilds the pass it lands in
}

}  // namespace prosodia
