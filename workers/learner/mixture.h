// The order of training samples: draw n (from 0) -> (dataset, row). Datasets take turns so that each has its share of
// every prefix; inside a dataset the rows come in a fresh permutation for each pass, seeded by (seed, dataset, pass).
// Caller: sft. Value type; single thread. A function of its arguments alone, so a resumed run skips to where it was.
#pragma once

#include <cstdint>
#include <vector>

namespace prosodia {

class MixtureOrder {
 public:
  // One size (> 0) and one weight (> 0) per dataset.
  MixtureOrder(std::vector<int64_t> sizes, std::vector<double> weights, uint64_t seed);
  struct Draw {
    int dataset = 0;
    int64_t row = 0;
  };
  Draw next();
  void skip(int64_t draws);

 private:
  int pick_dataset();
  const std::vector<int64_t> sizes_;
  std::vector<double> weights_;  // sum to 1
  const uint64_t seed_;
  int64_t drawn_ = 0;
  std::vector<int64_t> taken_;               // draws of each dataset so far
  std::vector<std::vector<int64_t>> order_;  // the current pass's permutation; empty before the first draw
};

}  // namespace prosodia
