#include "orchestrator/monitor/http_get.h"

#include <httplib.h>

#include "data/base/number.h"

namespace prosodia {

Result<HttpAddress> parse_http_address(const std::string& text) {
  std::string rest = text;
  if (rest.starts_with("http://")) rest.erase(0, 7);
  while (rest.ends_with('/')) rest.pop_back();
  const size_t colon = rest.rfind(':');
  const int port = colon == std::string::npos ? 0 : parse_integer<int>(rest.substr(colon + 1)).value_or(0);
  std::string host = rest.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool odd = host.empty() || host.find_first_of("/ ") != std::string::npos ||
                   (!bracketed && host.find(':') != std::string::npos);
  if (port < 1 || port > 65535 || odd) {
    return fail(ErrorCode::kUsage, "'{}' is no HOST:PORT, such as 127.0.0.1:9464 (what --metrics_port says)", text);
  }
  return HttpAddress{host, port};
}

Result<std::string> http_get(const HttpAddress& address, const std::string& path) {
  httplib::Client client(address.host, address.port);
  client.set_connection_timeout(3);
  client.set_read_timeout(3);
  client.set_write_timeout(3);
  std::string body;
  bool too_long = false;
  const auto begin = std::chrono::steady_clock::now();
  const auto answer = client.Get(path, [&](const char* data, size_t size) {
    too_long = body.size() + size > kMaxHttpAnswerBytes;
    const bool too_late = std::chrono::steady_clock::now() - begin > std::chrono::seconds(10);
    if (!too_long && !too_late) body.append(data, size);
    return !too_long && !too_late;
  });
  if (!answer) {
    return fail(ErrorCode::kUnavailable,
                "http://{}:{}{}: {}. Is the run going on, with --metrics_port, at this address?", address.host,
                address.port, path, too_long ? "the answer is too long" : httplib::to_string(answer.error()));
  }
  if (answer->status != 200)
    return fail(ErrorCode::kUnavailable, "http://{}:{}{}: status {}: not a coordinator's metrics port?", address.host,
                address.port, path, answer->status);
  return body;
}

}  // namespace prosodia
