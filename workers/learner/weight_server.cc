#include "workers/learner/weight_server.h"

#include <mutex>
#include <utility>

namespace prosodia {

struct WeightServer::Impl {
  int keep_versions = 2;
  mutable std::mutex mutex;
  std::map<uint64_t, std::shared_ptr<const protocol::Snapshot>> versions;
  std::unique_ptr<protocol::BulkServer> server;  // last: its thread ends before the rest goes

  std::shared_ptr<const protocol::Snapshot> find(uint64_t version) const {
    const std::lock_guard lock(mutex);
    const auto found = versions.find(version);
    return found == versions.end() ? nullptr : found->second;
  }
};

Result<std::unique_ptr<WeightServer>> WeightServer::start(const WeightServerOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->keep_versions = options.keep_versions;
  PROSODIA_ASSIGN(impl->server, protocol::BulkServer::start(options.bulk, [self = impl.get()](PolicyVersion version) {
                    return self->find(version.value);
                  }));
  return std::unique_ptr<WeightServer>(new WeightServer(std::move(impl)));
}

WeightServer::WeightServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WeightServer::~WeightServer() = default;

void WeightServer::publish(uint64_t version, std::shared_ptr<const protocol::Snapshot> snapshot) {
  const std::lock_guard lock(impl_->mutex);
  impl_->versions[version] = std::move(snapshot);
  while (impl_->versions.size() > static_cast<size_t>(impl_->keep_versions))
    impl_->versions.erase(impl_->versions.begin());
}

std::map<uint64_t, std::shared_ptr<const protocol::Snapshot>> WeightServer::kept() const {
  const std::lock_guard lock(impl_->mutex);
  return impl_->versions;
}

std::vector<protocol::ServedVersion> WeightServer::served() const {
  std::vector<protocol::ServedVersion> served;
  for (const auto& [version, snapshot] : kept()) served.push_back({PolicyVersion(version), snapshot->digest});
  return served;
}

const std::string& WeightServer::endpoint() const { return impl_->server->endpoint(); }

}  // namespace prosodia
