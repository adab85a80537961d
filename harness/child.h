// Child processes: how they are started, watched and ended, and memory that they share.

#ifndef FSQLSHM_HARNESS_CHILD_H_
#define FSQLSHM_HARNESS_CHILD_H_

#include <sys/mman.h>
#include <sys/types.h>

#include <chrono>
#include <functional>
#include <new>
#include <string>
#include <utility>

namespace fsqlshm::harness {

/// What was last seen of a child.
struct ChildState {
  enum class Kind : unsigned char { kRunning, kStopped, kExited, kSignalled };
  Kind kind = Kind::kRunning;
  int number = 0;  ///< kExited: the status, -1 if unknown; kSignalled: the signal

  [[nodiscard]] bool over() const { return kind == Kind::kExited || kind == Kind::kSignalled; }
  [[nodiscard]] bool stopped() const { return kind == Kind::kStopped; }
  [[nodiscard]] bool exited(int status = 0) const {
    return *this == ChildState{Kind::kExited, status};
  }
  [[nodiscard]] bool died_of(int signal) const {
    return *this == ChildState{Kind::kSignalled, signal};
  }
  /// "ended with status 3", "died of signal 11", "stopped" or "runs".
  [[nodiscard]] std::string text() const;

  friend bool operator==(const ChildState&, const ChildState&) = default;
};

/// A forked child. Movable; the destructor kills the child if it is not over, and reaps it.
///
/// Thread safety: one thread at a time. The thread that constructs a Child must live as long as the
/// child: the kernel kills the child when that thread ends (prctl(2), PR_SET_PDEATHSIG).
class Child {
 public:
  Child() = default;
  /// Runs `body` in a new process, whose exit status is what it returns. SIGINT and SIGTERM are
  /// ignored there: a terminal sends them to the whole group, and the parent decides when its
  /// children stop. Throws std::system_error if there can be no new process.
  explicit Child(const std::function<int()>& body);
  Child(Child&& other) noexcept { *this = std::move(other); }
  Child& operator=(Child&& other) noexcept;
  ~Child() { end(); }

  /// Whether the calling thread makes a Child: this fork is the harness's own.
  [[nodiscard]] static bool starting() noexcept;

  /// What the child does now; does not wait. A state that is over is final.
  ChildState poll() { return look(false); }
  /// Waits until the child is over or stops.
  ChildState wait() { return look(true); }
  /// The same for at most `limit`; kRunning if it was not enough.
  ChildState wait_for(std::chrono::nanoseconds limit);

  /// Sends a signal to a child that is not over. After SIGCONT the child counts as running.
  void send(int signal);
  /// Kills the child if it is not over, and waits for its death.
  void end();

  [[nodiscard]] ChildState state() const { return state_; }
  /// Whether there is a child that was not seen to be over.
  [[nodiscard]] bool here() const { return pid_ > 0 && !state_.over(); }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  ChildState look(bool blocking);

  pid_t pid_ = 0;
  ChildState state_;
};

/// Runs `body` in a child to its end. A child that does not end by itself is killed after `limit`.
[[nodiscard]] ChildState run_in_child(const std::function<int()>& body,
                                      std::chrono::nanoseconds limit = std::chrono::hours(1));

/// Owns memory that is shared with every child forked from now on.
template <class T>
class Shared {
 public:
  Shared() {
    void* const memory =
        ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    value_ = new (memory) T();
  }
  Shared(const Shared&) = delete;
  Shared& operator=(const Shared&) = delete;
  ~Shared() {
    value_->~T();
    ::munmap(value_, sizeof(T));
  }
  T& operator*() const { return *value_; }
  T* operator->() const { return value_; }

 private:
  T* value_;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_CHILD_H_
