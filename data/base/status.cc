#include "data/base/status.h"

#include "data/base/exit_code.h"

namespace prosodia {

int exit_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return 2;
    case ErrorCode::kInvalidInput:
      return 3;
    case ErrorCode::kUnavailable:
    case ErrorCode::kStale:
      return 4;
    case ErrorCode::kStorage:
    case ErrorCode::kCorruption:
      return 5;
    case ErrorCode::kInterrupted:
      return 6;
    case ErrorCode::kInternal:
      return 1;
  }
  return 1;
}

std::optional<ErrorCode> error_code_of_exit(int code) {
  switch (code) {
    case 0:
      return std::nullopt;
    case 2:
      return ErrorCode::kUsage;
    case 3:
      return ErrorCode::kInvalidInput;
    case 5:
      return ErrorCode::kStorage;
    case 6:
      return ErrorCode::kInterrupted;
    default:
      return ErrorCode::kUnavailable;
  }
}

std::string_view name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kUsage:
      return "usage";
    case ErrorCode::kInvalidInput:
      return "invalid input";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kStorage:
      return "storage";
    case ErrorCode::kCorruption:
      return "corruption";
    case ErrorCode::kStale:
      return "stale";
    case ErrorCode::kInterrupted:
      return "interrupted";
    case ErrorCode::kInternal:
      return "internal";
  }
  return "unknown";
}

tl::unexpected<Error> wrap(const Error& error, std::string_view context) {
  return tl::unexpected<Error>(Error{error.code, fmt::format("{}: {}", context, error.message)});
}

}  // namespace prosodia
