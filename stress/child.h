// Children that die or stop at a given step, and how their parent waits for them.

#ifndef FSQLSHM_STRESS_CHILD_H_
#define FSQLSHM_STRESS_CHILD_H_

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

namespace fsqlshm::stress {

/// A forked child that runs `body` and exits with what it returns. Killed, if it is still there,
/// with this object.
class Child {
 public:
  enum class End : unsigned char { kExited, kKilled, kStopped, kOther };

  template <class Body>
  explicit Child(Body&& body) {
    const pid_t parent = ::getpid();
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::signal(SIGINT, SIG_IGN);
      ::signal(SIGTERM, SIG_IGN);
      if (::getppid() != parent) ::_exit(0);
      ::_exit(std::forward<Body>(body)());
    }
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }

  /// Waits until the child ends or stops.
  End wait() {
    int status = 0;
    pid_t got = 0;
    do {
      got = ::waitpid(pid_, &status, WUNTRACED);
    } while (got < 0 && errno == EINTR);
    if (got == pid_ && WIFSTOPPED(status)) return End::kStopped;
    pid_ = 0;
    if (got >= 0 && WIFEXITED(status)) {
      status_ = WEXITSTATUS(status);
      return End::kExited;
    }
    return got >= 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL ? End::kKilled
                                                                          : End::kOther;
  }
  void resume() const { ::kill(pid_, SIGCONT); }

  [[nodiscard]] bool started() const { return pid_ >= 0; }
  [[nodiscard]] int status() const { return status_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
  int status_ = -1;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_CHILD_H_
