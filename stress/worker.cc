#include "stress/worker.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <span>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>

#include "harness/system_calls.h"
#include "stress/interruptions.h"

extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): the sanitizer's names
// Provided by TSan's runtime if there is one.
[[gnu::weak]] void __tsan_init();
[[gnu::weak]] void __sanitizer_set_report_path(const char* path);

// Read by TSan when it starts. No suppressions: what it reports counts.
[[gnu::used]] const char* __tsan_default_options() {
  return "halt_on_error=1:exitcode=66:report_signal_unsafe=1";
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)
}

namespace fsqlshm::stress {

bool under_tsan() { return __tsan_init != nullptr; }

namespace {

constexpr int kExecSignal = SIGUSR1;

// In whichever thread the kernel chooses; the others end where they are. In a run on a subject always the first
// thread: another one takes over its id, and Linux then no longer knows which robust mutexes it held. The
// publication lock of such a run is one, and nobody would get it any more.
void exec_another_program(int /*signal*/) {
  static char name[] = "true";
  static char* arguments[] = {name, nullptr};
  ::execv("/bin/true", arguments);
  ::_exit(127);
}

// `how`: SIG_BLOCK or SIG_UNBLOCK, for this thread and those that it starts.
void change_exec_signal(int how) {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, kExecSignal);
  ::pthread_sigmask(how, &signals, nullptr);
}

constexpr Check kPlanted = {"self-test", "a planted violation"};

int g_race = 0;  // written by two threads without synchronisation, if that is planted

void plant(Plant what, ControlBlock& control) {
  switch (what) {
    case Plant::kNone:
    case Plant::kReconcile:  // in the publisher
    case Plant::kKeepsLock:
      return;
    case Plant::kNoTurn:
      harness::tell_lies([](std::string_view call, std::span<const std::uint64_t>) {
        return call == "sem_wait" || call == "sem_trywait" ? std::optional(0L) : std::nullopt;
      });
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
      control.violations.report({&kPlanted, 0, 1, 0, now_ns(), {}});
      control.stop.store(1);
      return;
  }
}

// What a thread of a worker is besides its role.
struct NoFrame {
  NoFrame(const WorkerConfig& /*config*/, ControlBlock& /*control*/, const ThreadName& /*name*/) {}
};

// It says what it calls, and its timing is disturbed from outside.
struct SubjectFrame {
  SubjectFrame(const WorkerConfig& config, ControlBlock& control, const ThreadName& name)
      : watched(control.threads[name.worker][name.thread].last_words) {
    if (config.perturb != 0) {
      interruptions.emplace(
          config.subject->subject(), config.perturb,
          mix(config.seed ^ mix(name.worker << 40 | name.thread << 32 | name.incarnation)));
    }
  }
  harness::Watched watched;
  std::optional<Interruptions> interruptions;
};

template <class Frame, class File>
void run_threads(const File& file, const WorkerConfig& config, ControlBlock& control,
                 std::size_t worker, std::uint64_t incarnation) {
  plant(config.plant, control);
  std::vector<std::thread> threads;
  for (const Role* const role : config.threads()) {
    const ThreadName name = {worker, incarnation, threads.size()};
    threads.push_back(start_thread([&, role, name] {
      const Frame frame(config, control, name);
      RoleThread<File> me(config, control, file, name);
      std::get<void (*)(RoleThread<File>&)>(role->lives)(me);
    }));
  }
  change_exec_signal(SIG_UNBLOCK);  // of this thread, if they were started with it blocked
  for (std::thread& thread : threads) thread.join();
}

template <class File>
int run_on_a_file(const WorkerConfig& config, ControlBlock& control, std::size_t worker,
                  std::uint64_t incarnation) {
  change_exec_signal(SIG_UNBLOCK);
  auto file = File::open(config.file);
  if (!file) return kWorkerOpenFailed;
  run_threads<NoFrame>(*file, config, control, worker, incarnation);
  return file->close() ? 0 : kWorkerOpenFailed;
}

int run_on_a_subject(const WorkerConfig& config, ControlBlock& control, std::size_t worker,
                     std::uint64_t incarnation) {
  const SubjectFile file(*config.subject, SubjectGround::identity(worker, incarnation));
  run_threads<SubjectFrame>(file, config, control, worker, incarnation);
  return 0;
}

}  // namespace

int run_worker(const WorkerConfig& config, ControlBlock& control, std::size_t worker,
               std::uint64_t incarnation) {
  std::signal(kExecSignal, exec_another_program);
  ::prctl(PR_SET_TIMERSLACK, 1000UL);  // ns; sleeps are short here
  // A process that is forked and killed leaves its report where the parent finds it.
  if (under_tsan()) __sanitizer_set_report_path(config.reports.c_str());
  const bool plain = config.perturb == 0;
  auto* run = config.reference ? (plain ? run_on_a_file<PlainFile<ReferenceProtocol>>
                                        : run_on_a_file<PerturbedFile<ReferenceProtocol>>)
                               : (plain ? run_on_a_file<PlainFile<HardenedProtocol>>
                                        : run_on_a_file<PerturbedFile<HardenedProtocol>>);
  if (config.subject != nullptr) run = run_on_a_subject;
  return run(config, control, worker, incarnation);
}

Workers::Workers(const WorkerConfig& config, ControlBlock& control, std::size_t count)
    : config_(config), control_(control), workers_(std::min(count, kMaxWorkers)) {}

void Workers::start_all() {
  // Until a worker can handle it.
  change_exec_signal(SIG_BLOCK);
  for (std::size_t i = 0; i < workers_.size(); ++i) start(i);
}

void Workers::start(std::size_t worker) {
  const std::uint64_t incarnation = workers_[worker].incarnation + 1;
  workers_[worker] = {.child = harness::Child([this, worker, incarnation] {
                        return run_worker(config_, control_, worker, incarnation);
                      }),
                      .incarnation = incarnation};
  ++starts_;
}

void Workers::kill(std::size_t worker) { end(worker, false); }
void Workers::exec(std::size_t worker) { end(worker, true); }

void Workers::end(std::size_t worker, bool by_exec) {
  Worker& target = workers_[worker];
  if (!target.child.here() || target.killed) return;
  control_.kills.about_to_kill(worker, target.incarnation, now_ns());
  target.killed = true;
  target.execs = by_exec;
  target.child.send(by_exec ? kExecSignal : SIGKILL);
}

void Workers::stop(std::size_t worker, std::uint64_t until_ns) {
  Worker& target = workers_[worker];
  if (!target.child.here() || target.killed || target.continue_ns != 0) return;
  target.child.send(SIGSTOP);
  target.continue_ns = until_ns;
  ++stops_;
}

std::vector<Workers::End> Workers::turn(std::uint64_t now_ns, bool replace) {
  std::vector<End> ends;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    Worker& worker = workers_[i];
    if (worker.continue_ns != 0 && now_ns >= worker.continue_ns) {
      worker.child.send(SIGCONT);
      worker.continue_ns = 0;
    }
    if (!worker.child.here() || !worker.child.poll().over()) continue;
    // One that ended by itself is reported; that its tenures are over is no other's fault.
    if (!worker.killed) control_.kills.about_to_kill(i, worker.incarnation, now_ns);
    control_.kills.note_reaped(i, worker.incarnation);
    for (ThreadState& thread : control_.threads[i]) thread.last_words.watched = false;
    const harness::ChildState how = worker.child.state();
    if (worker.killed || !how.exited()) {
      for (const Role* const role : config_.threads()) lost_threads_ += role->takes_ids ? 1 : 0;
    }
    if (worker.killed && (worker.execs ? how.exited() : how.died_of(SIGKILL))) {
      ++(worker.execs ? execs_ : kills_);
    } else {
      ends.push_back({i, worker.child.pid(), how});
    }
    if (replace && ends.empty()) start(i);
  }
  return ends;
}

void Workers::continue_all() {
  for (Worker& worker : workers_) {
    worker.child.send(SIGCONT);
    worker.continue_ns = 0;
  }
}

std::vector<std::size_t> Workers::here() const {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    if (workers_[i].child.here()) indices.push_back(i);
  }
  return indices;
}

}  // namespace fsqlshm::stress
