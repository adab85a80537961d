#include "stress/worker.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <numeric>
#include <thread>
#include <vector>

#include "stress/roles.h"
#include "stress/tsan.h"

namespace fsqlshm::stress {

using harness::mix;
using harness::Random;
namespace {

int g_race = 0;  // two threads write it without a word to each other, if that is planted

void plant(Plant what, ControlBlock& control) {
  switch (what) {
    case Plant::kNone:
      return;
    case Plant::kDataRace: {
      std::thread a([] { ++g_race; });
      std::thread b([] { ++g_race; });
      a.join();
      b.join();
      return;
    }
    case Plant::kCrash:
      ::raise(SIGSEGV);
      return;
    case Plant::kHang:
      while (true) ::pause();
    case Plant::kViolation:
      control.violations.report({Check::kPlanted, 0, 1, 0, now_ns(), {}});
      control.stop.store(1);
      return;
  }
}

// The life of a thread of an added role.
void run_added(const AddedRole& role, std::size_t index, ControlBlock& control, const ShmFile& file,
               std::size_t worker, std::uint64_t incarnation, std::size_t thread,
               std::uint64_t seed) {
  ThreadState& state = control.threads[worker][thread];
  state.role.store(kRoles + index, std::memory_order_relaxed);
  state.events.record(Event::kStarted, incarnation);
  RoleTools tools{.file = file,
                  .control = control,
                  .random = Random(mix(seed) ^ mix(worker << 40 | thread << 32 | incarnation))};
  while (control.stop.load(std::memory_order_relaxed) == 0) {
    if (!role.turn(tools)) {
      control.violations.report(
          {Check::kAddedRole, worker, incarnation, thread, now_ns(), tools.values});
      control.stop.store(1);
    }
    state.add(Counter::kAddedTurns);
  }
}

template <class Protocol, Words W>
int run_threads(const WorkerConfig& config, ControlBlock& control, std::size_t worker,
                std::uint64_t incarnation) {
  using File = BasicShmFile<Protocol, W>;
  auto file = File::open(config.file);
  const int gc_fd = ::open(config.gc_lock.c_str(), O_RDWR | O_CLOEXEC);
  const auto added_file = ShmFile::open(config.file);
  if (!file || !added_file || gc_fd < 0) return kWorkerOpenFailed;
  PublicationLock gc_lock(gc_fd);
  plant(config.plant, control);
  std::vector<std::thread> threads;
  for (std::size_t role = 0; role < kRoles; ++role) {
    for (unsigned i = 0; i < config.threads[role]; ++i) {
      threads.emplace_back(RoleThread<Protocol, W>(config, control, *file, gc_lock, worker,
                                                   incarnation, threads.size(),
                                                   static_cast<Role>(role)));
    }
  }
  for (std::size_t index = 0; index < config.added.size(); ++index) {
    const AddedRole& role = config.added[index];
    for (unsigned i = 0; i < role.threads; ++i) {
      threads.emplace_back(run_added, std::cref(role), index, std::ref(control),
                           std::cref(*added_file), worker, incarnation, threads.size(),
                           config.seed);
    }
  }
  for (std::thread& thread : threads) thread.join();
  ::close(gc_fd);
  return file->close() ? 0 : kWorkerOpenFailed;
}

template <class Protocol>
int run_protocol(const WorkerConfig& config, ControlBlock& control, std::size_t worker,
                 std::uint64_t incarnation) {
  return config.perturb == 0
             ? run_threads<Protocol, RawWords>(config, control, worker, incarnation)
             : run_threads<Protocol, PerturbedWords>(config, control, worker, incarnation);
}

}  // namespace

std::size_t thread_count(const WorkerConfig& config) {
  std::size_t count = std::accumulate(config.threads.begin(), config.threads.end(), std::size_t{0});
  for (const AddedRole& role : config.added) count += role.threads;
  return count;
}

void run_worker(const WorkerConfig& config, ControlBlock& control, std::size_t worker,
                std::uint64_t incarnation) {
  // Ctrl-C goes to the whole group, but it is the parent that says when to stop.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGTERM, SIG_IGN);
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // ns; sleeps are short here
  send_tsan_reports_to(config.reports);
  const int status = config.protocol == ProtocolName::kReference
                         ? run_protocol<ReferenceProtocol>(config, control, worker, incarnation)
                         : run_protocol<HardenedProtocol>(config, control, worker, incarnation);
  ::_exit(status);
}

}  // namespace fsqlshm::stress
