#include "harness/jobs.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <list>
#include <map>
#include <system_error>
#include <thread>
#include <utility>

#include "harness/child.h"

namespace fsqlshm::harness {
namespace {

// Where a child puts what it makes: a file in memory, which has room for any size.
class Outbox {
 public:
  Outbox() : fd_(::memfd_create("fsqlshm-job", MFD_CLOEXEC)) {
    if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "memfd_create");
  }
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  ~Outbox() { ::close(fd_); }

  [[nodiscard]] bool put(const std::vector<std::uint8_t>& bytes) const {
    std::size_t done = 0;
    while (done < bytes.size()) {
      const ssize_t wrote = ::write(fd_, bytes.data() + done, bytes.size() - done);
      if (wrote <= 0) return false;
      done += static_cast<std::size_t>(wrote);
    }
    return true;
  }

  [[nodiscard]] Made take() const {
    struct stat status = {};
    if (::fstat(fd_, &status) != 0) return std::unexpected("its result cannot be read");
    std::vector<std::uint8_t> bytes(static_cast<std::size_t>(status.st_size));
    if (::pread(fd_, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
      return std::unexpected("its result cannot be read");
    }
    return bytes;
  }

 private:
  int fd_;
};

struct Running {
  Running(const Jobs& jobs, std::size_t piece)
      : number(piece), child([&] { return outbox.put(jobs.work(piece)) ? 0 : 1; }) {}

  std::size_t number;
  Outbox outbox;
  Child child;
};

// They are told to end, and have some time for what they have made until then.
void collect(std::list<Running>& running, std::chrono::milliseconds patience,
             std::map<std::size_t, Made>& made) {
  for (Running& one : running) one.child.send(SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (Running& one : running) {
    if (one.child.wait_for(deadline - std::chrono::steady_clock::now()).exited()) {
      made.emplace(one.number, one.outbox.take());
    }
  }
}

}  // namespace

unsigned processors() noexcept {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return static_cast<unsigned>(CPU_COUNT(&set));
}

void run(const Jobs& jobs) {
  constexpr std::chrono::milliseconds kPause(20);
  std::list<Running> running;
  std::map<std::size_t, Made> made;  // and not handed over, because an earlier piece is at work
  std::size_t next = 0;
  std::size_t handed_over = 0;
  while (handed_over < jobs.count) {
    for (; running.size() < jobs.at_once && next < jobs.count; ++next) {
      running.emplace_back(jobs, next);
    }
    // One that somebody stopped counts as stopped from then on, and is not waited for.
    if (running.front().child.wait_for(kPause).stopped()) std::this_thread::sleep_for(kPause);
    for (auto one = running.begin(); one != running.end();) {
      const ChildState state = one->child.poll();
      if (!state.over()) {
        ++one;
        continue;
      }
      made.emplace(one->number,
                   state.exited() ? one->outbox.take() : Made(std::unexpected(state.text())));
      one = running.erase(one);
    }
    for (auto ready = made.find(handed_over); ready != made.end(); ready = made.find(handed_over)) {
      jobs.done(handed_over++, std::move(ready->second));
      made.erase(ready);
    }
    if (jobs.go_on()) continue;
    collect(running, jobs.patience, made);
    for (auto& [number, one] : made) jobs.done(number, std::move(one));
    return;
  }
}

}  // namespace fsqlshm::harness
