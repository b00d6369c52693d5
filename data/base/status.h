// Status and Result<T>: how everything that a peer, a disk, the network or a user can cause is reported.
//
// An Error's message is written for the person who must act: it names the file, line, key or worker, what was expected
// and what to do next. Our own broken invariants do not come this way; they abort (check.h).
#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace prosodia {

enum class ErrorCode {
  kUsage,         // bad command line or configuration
  kInvalidInput,  // a user's file is malformed
  kUnavailable,   // a peer, worker or program could not be reached, died, or refused
  kStorage,       // read, write, fsync, rename failed; disk full
  kCorruption,    // our own file or frame fails its checksum
  kStale,         // a peer speaks for a lease, epoch or version that has ended
  kInterrupted,   // asked to stop; state was saved
  kInternal,      // a library failed in a way no input explains
};

// The process exit codes are a contract: 0 done, 2 usage, 3 bad input, 4 peer or worker failure, 5 storage failure,
// 6 interrupted but saved.
int exit_code(ErrorCode code);
std::string_view name(ErrorCode code);

struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
};

template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

using Status = Result<void>;

// return fail(ErrorCode::kInvalidInput, "{}:{}: expected an object", path, line);
template <class... Args>
tl::unexpected<Error> fail(ErrorCode code, fmt::format_string<Args...> format, Args&&... args) {
  return tl::unexpected<Error>(Error{code, fmt::format(format, std::forward<Args>(args)...)});
}

// Forwards an error with context in front: "while reading a.jsonl: …".
tl::unexpected<Error> wrap(const Error& error, std::string_view context);

}  // namespace prosodia

#define PROSODIA_CONCAT_(a, b) a##b
#define PROSODIA_CONCAT(a, b) PROSODIA_CONCAT_(a, b)

// Returns the error of `expr` (a Status or Result) to the caller, if it has one.
#define PROSODIA_TRY(expr)                                            \
  do {                                                                \
    if (auto prosodia_status_ = (expr); !prosodia_status_)            \
      return tl::unexpected(std::move(prosodia_status_).error());     \
  } while (false)

// PROSODIA_ASSIGN(auto clip, read_audio(path));
#define PROSODIA_ASSIGN(decl, expr) PROSODIA_ASSIGN_(PROSODIA_CONCAT(result_, __LINE__), decl, expr)
#define PROSODIA_ASSIGN_(tmp, decl, expr)                             \
  auto tmp = (expr);                                                  \
  if (!tmp) return tl::unexpected(std::move(tmp).error());            \
  decl = std::move(*tmp)
