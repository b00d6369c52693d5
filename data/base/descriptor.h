// An owned file descriptor: closed when it goes. -1 = none.
//
// Thread rule: a value; one thread at a time. Failure rule: the caller looks at valid() after open(2) and its like, and
// at close()'s result where a lost write would hide in it.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <utility>

namespace prosodia {

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(other.release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(fd_, other.fd_);  // what we held is closed with `other`
    return *this;
  }
  ~Descriptor() { (void)close(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  // 0, or the errno of close(2). Never retried: after EINTR Linux has released the descriptor.
  int close() {
    const int fd = release();
    return fd < 0 || ::close(fd) == 0 || errno == EINTR ? 0 : errno;
  }

 private:
  int fd_;
};

}  // namespace prosodia
