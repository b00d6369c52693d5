// Keeps a worker's model at the version that its leases name: fetches from the learner's bulk server, checks the
// digest, writes the weights in place.
//
// Called by the rollout worker. Single thread. Failure: see ensure(). The model is only written after all bytes have
// arrived and hash to the expected digest, so a failed fetch leaves the old version intact.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "data/base/digest.h"
#include "data/base/ids.h"
#include "orchestrator/protocol/bulk.h"
#include "workers/model/policy_weights.h"

namespace prosodia {

struct WeightFetcherOptions {
  std::chrono::milliseconds timeout{10'000};
  std::chrono::milliseconds retry_min{100}, retry_max{5'000};
  protocol::CredentialsPtr credentials;  // the rollout role's keys; nullptr = plaintext
};

class WeightFetcher {
 public:
  WeightFetcher(PolicyWeights weights, const WeightFetcherOptions& options);

  bool holds(const Digest& digest) const { return digest == digest_; }
  // True when a failed fetch's pause is over. Time comes from the caller.
  bool may_try(std::chrono::steady_clock::time_point now) const { return now >= next_try_; }
  // Fetches and loads. kCorruption: try again later (may_try). kUnavailable: the server was silent for `timeout`, it
  // may be gone for good. kStale: it no longer has the version. kInvalidInput: the version is of another model; do not
  // retry.
  Status fetch(PolicyVersion version, const Digest& digest, const std::string& endpoint);
  bool only_adapter() const { return weights_.only_adapter(); }  // what fetch() writes

 private:
  Result<std::vector<std::byte>> download(PolicyVersion version, const Digest& digest, const std::string& endpoint);

  PolicyWeights weights_;
  const WeightFetcherOptions options_;
  Digest digest_;  // of the weights now in the model
  std::string endpoint_;
  std::unique_ptr<protocol::BulkClient> client_;
  std::chrono::milliseconds pause_;
  std::chrono::steady_clock::time_point next_try_{};
};

}  // namespace prosodia
