// A coordinator's metrics address as a source: GET /status.json, and GET /steps.jsonl for the curves.
#include <algorithm>

#include "data/base/number.h"
#include "orchestrator/monitor/http_get.h"
#include "orchestrator/monitor/watch/run_source.h"

namespace prosodia::watch {
namespace {

class AddressSource final : public RunSource {
 public:
  explicit AddressSource(HttpAddress address) : address_(std::move(address)) {}

  Update poll(double now) override {
    Update update;
    if (last_heard_ == 0) last_heard_ = now;
    auto text = http_get(address_, "/status.json");
    auto status = text ? parse_live_status(*text) : Result<LiveStatus>(tl::unexpected(text.error()));
    if (!status) {
      update.note = status.error().message;
      update.liveness = ended_ || now - last_heard_ >= kSilenceSeconds ? Liveness::kEnded
                        : run_id_.empty()                              ? Liveness::kWaiting
                                                                       : Liveness::kRunning;
      return update;
    }
    last_heard_ = now;
    if (status->run_id != run_id_ || status->newest.step < last_step_) {  // another run, or its last steps come again
      update.anew = !run_id_.empty();
      last_step_ = 0;
      run_id_ = status->run_id;
    }
    read_steps(*status, update);
    ended_ = has_ended(status->phase);
    update.liveness = ended_ ? Liveness::kEnded : Liveness::kRunning;
    update.responses = status->responses;
    update.has_responses = true;
    update.live = std::move(*status);
    return update;
  }

 private:
  void read_steps(const LiveStatus& status, Update& update) {
    while (last_step_ < status.newest.step) {
      const auto text = http_get(address_, fmt::format("/steps.jsonl?from={}", last_step_ + 1));
      if (!text) {
        update.note = text.error().message;
        return;
      }
      const uint64_t before = last_step_;
      for (size_t begin = 0, end; (end = text->find('\n', begin)) != std::string::npos; begin = end + 1) {
        auto report = parse_metrics_line(std::string_view(*text).substr(begin, end - begin));
        if (!report || report->step <= last_step_) continue;
        last_step_ = report->step;
        update.steps.push_back(std::move(*report));
      }
      if (last_step_ == before) return;  // older than what it keeps
    }
  }

  HttpAddress address_;
  std::string run_id_;
  uint64_t last_step_ = 0;
  double last_heard_ = 0;
  bool ended_ = false;
};

}  // namespace

Result<std::unique_ptr<RunSource>> open_address(const std::string& address) {
  PROSODIA_ASSIGN(HttpAddress parsed, parse_http_address(address));
  return std::unique_ptr<RunSource>(new AddressSource(std::move(parsed)));
}

}  // namespace prosodia::watch
