// A child process that does as it is told, one order at a time.

#ifndef FSQLSHM_STRESS_WORLD_PUPPET_H_
#define FSQLSHM_STRESS_WORLD_PUPPET_H_

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "harness/child.h"

namespace fsqlshm::world {

class Pipe {
 public:
  Pipe() {
    if (::pipe2(ends_, O_CLOEXEC) != 0) {
      throw std::system_error(errno, std::generic_category(), "pipe");
    }
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  void write(std::string_view bytes) const {
    static_cast<void>(::write(ends_[1], bytes.data(), bytes.size()));
  }
  /// The next byte; 0 at the end.
  [[nodiscard]] char read() const {
    char byte = 0;
    ssize_t got = 0;
    do {
      got = ::read(ends_[0], &byte, 1);
    } while (got < 0 && errno == EINTR);
    return got == 1 ? byte : '\0';
  }
  void close_writer() { ::close(std::exchange(ends_[1], -1)); }
  [[nodiscard]] int reader() const { return ends_[0]; }
  [[nodiscard]] int writer() const { return ends_[1]; }

 private:
  int ends_[2] = {-1, -1};
};

class Puppet {
 public:
  /// `obey` is called in the child for each order; its answer counts. `begin` is called first, and
  /// counts as an order.
  Puppet(const std::function<int()>& begin, const std::function<int(char)>& obey)
      // NOLINTNEXTLINE(clang-analyzer-cplusplus.NewDeleteLeaks): a std::function deletes what it has
      : child_([this, begin, obey] {
          orders_.close_writer();  // so that they end with the one who gives them
          answer(begin());
          while (const char order = orders_.read()) {
            if (order == kQuit) break;
            answer(obey(order));
          }
          return 0;
        }) {}

  static constexpr char kQuit = 127;

  /// Does not wait.
  void order(char what) {
    ++given_;
    orders_.write({&what, 1});
  }
  /// Whether all orders were obeyed.
  [[nodiscard]] bool ready() const { return *answers_ == given_; }
  /// False if the child is over or the limit passes before it has obeyed.
  bool wait(std::chrono::milliseconds limit = std::chrono::seconds(5)) {
    const auto deadline = std::chrono::steady_clock::now() + limit;
    for (int looks = 0; !ready(); ++looks) {
      if (looks % 64 == 63 && child_.poll().over() && !ready()) return false;
      if (std::chrono::steady_clock::now() > deadline) return false;
      looks < 100 ? std::this_thread::yield()
                  : std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
  }
  bool ask(char what) {
    order(what);
    return wait();
  }
  /// Of the last order that was obeyed.
  [[nodiscard]] int answer() const { return *answer_; }
  [[nodiscard]] harness::Child& child() { return child_; }

 private:
  void answer(int what) {
    *answer_ = what;
    ++*answers_;
  }

  Pipe orders_;
  harness::Shared<std::atomic<unsigned>> answers_;
  harness::Shared<std::atomic<int>> answer_;
  unsigned given_ = 1;
  harness::Child child_;
};

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_PUPPET_H_
