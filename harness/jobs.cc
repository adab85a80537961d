#include "harness/jobs.h"

#include <sched.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <list>
#include <map>
#include <thread>
#include <utility>

#include "harness/child.h"
#include "harness/memory_file.h"

namespace fsqlshm::harness {
namespace {

struct Running {
  Running(const Jobs& jobs, std::size_t piece)
      : number(piece), child([&] { return made.write(jobs.work(piece)) ? 0 : 1; }) {}

  std::size_t number;
  MemoryFile made;
  Child child;
};

// Takes what those have made that are over, and waits for one if none is, but not for long.
void await_any(std::list<Running>& running, std::map<std::size_t, Made>& made) {
  using std::chrono::microseconds;
  const std::size_t before = made.size();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(20);
  // There is no wait for any of some children, so this asks, ever less often.
  for (microseconds pause(20); std::chrono::steady_clock::now() < deadline;
       pause = std::min(2 * pause, microseconds(1000))) {
    for (auto one = running.begin(); one != running.end();) {
      const ChildState state = one->child.poll();
      if (!state.over()) {
        ++one;
        continue;
      }
      made.emplace(one->number,
                   state.exited() ? Made(one->made.read()) : Made(std::unexpected(state.text())));
      one = running.erase(one);
    }
    if (made.size() != before) return;
    std::this_thread::sleep_for(pause);
  }
}

// They are told to end, and have some time for what they have made until then.
void collect(std::list<Running>& running, std::chrono::milliseconds patience,
             std::map<std::size_t, Made>& made) {
  for (Running& one : running) one.child.send(SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + patience;
  for (Running& one : running) {
    if (one.child.wait_for(deadline - std::chrono::steady_clock::now()).exited()) {
      made.emplace(one.number, one.made.read());
    }
  }
}

}  // namespace

unsigned processors() noexcept {
  cpu_set_t set;
  if (::sched_getaffinity(0, sizeof(set), &set) == 0) return static_cast<unsigned>(CPU_COUNT(&set));
  return std::max(1U, std::thread::hardware_concurrency());  // more than a cpu_set_t has
}

void run(const Jobs& jobs) {
  std::list<Running> running;
  std::map<std::size_t, Made> made;  // and not handed over, because an earlier piece is at work
  std::size_t next = 0;
  std::size_t handed_over = 0;
  while (handed_over < jobs.count) {
    for (; running.size() < jobs.at_once && next < jobs.count; ++next) {
      running.emplace_back(jobs, next);
    }
    await_any(running, made);
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
