#include "workers/rollout/weight_fetcher.h"

#include <algorithm>

#include "workers/model/weights.h"

namespace prosodia {

WeightFetcher::WeightFetcher(PolicyWeights weights, const WeightFetcherOptions& options)
    : weights_(std::move(weights)),
      options_(options),
      digest_(digest_weights(weights_.pack())),
      pause_(options.retry_min) {}

Result<std::vector<std::byte>> WeightFetcher::download(PolicyVersion version, const Digest& digest,
                                                       const std::string& endpoint) {
  if (!client_ || endpoint != endpoint_) {
    protocol::BulkClientOptions options;
    options.endpoint = endpoint;
    options.timeout = options_.timeout;
    options.credentials = options_.credentials;
    PROSODIA_ASSIGN(client_, protocol::BulkClient::connect(options));
    endpoint_ = endpoint;
  }
  return client_->fetch(version, digest);
}

Status WeightFetcher::fetch(PolicyVersion version, const Digest& digest, const std::string& endpoint) {
  auto bytes = download(version, digest, endpoint);
  if (!bytes) {
    client_.reset();  // a new socket for the next try: the old one may hold a dead connection
    next_try_ = std::chrono::steady_clock::now() + pause_;
    pause_ = std::min(pause_ * 2, options_.retry_max);
    return wrap(bytes.error(), fmt::format("while fetching policy version {} from {}", version, endpoint));
  }
  pause_ = options_.retry_min;
  next_try_ = {};
  PROSODIA_TRY(weights_.unpack(*bytes));
  digest_ = digest;
  return {};
}

}  // namespace prosodia
