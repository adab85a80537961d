#include "stress/world/subject.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <thread>

#include "harness/open_files.h"

namespace fsqlshm::world {
namespace {

// The subject's process: its first thread obeys orders, another one does the operation.
class Actor {
 public:
  Actor(World& world, const SubjectPlan& plan, const Pipe& starter)
      : plan_(plan),
        starter_(starter),
        stage_{.world = world, .path = plan.path, .options = options_of(world)} {}

  int begin() {
    if (!become(plan_.user)) return 1;
    struct sigaction quiet = {};
    quiet.sa_handler = [](int) {};  // no SA_RESTART
    ::sigaction(SIGUSR1, &quiet, nullptr);
    ::signal(SIGBUS, SIG_DFL);  // a sanitizer would make an exit status of it
    descriptors_ = open_files().descriptors;
    if (const auto ready = prepare(); !ready) {
      stage_.world.note("  the subject cannot open: " + ready.error().message());
      return 1;
    }
    worker_ = std::thread([this] { work(); });
    while (stage_.world.thread == 0) std::this_thread::yield();
    return 0;
  }

  int obey(char order) {
    switch (static_cast<Order>(order)) {
      case Order::kForkExit:
        return fork_child([] {}, true);
      case Order::kForkUnwind:
        return fork_child([this] { unwind(); }, true);
      case Order::kForkSleep:
        return fork_child([this] { sleep_for_ever(); }, false);
      case Order::kForkExec:
        return fork_child([this] { exec(); }, false);
      case Order::kForkUse:
        return fork_child(
            [this] {
              use_in_child();
              stage_.world.child_done = true;
            },
            false);
      case Order::kForkAndKill:
        fork_child([this] { sleep_for_ever(); }, false);
        ::kill(stage_.world.child, SIGKILL);
        return reap();
      case Order::kExec:
        exec();
        return 1;
      case Order::kCancel:
        cancellation_requested = true;
        return ::pthread_cancel(worker_.native_handle());
      case Order::kCloseOther:
        return stage_.other && stage_.other->close() ? 0 : 1;
      case Order::kCloseStandard:
        for (const int fd : {0, 1, 2}) ::close(fd);
        return 0;
      case Order::kWriteStandard:
        return write_standard();
      case Order::kLetGo:
        stage_.others_guard.reset();
        return 0;
      case Order::kUse:
        return use();
      case Order::kFinish:
        return finish();
    }
    return 1;
  }

 private:
  Outcome prepare() {
    const Operation& operation = *plan_.operation;
    if (operation.scene == Scene::kOpen) {
      auto file = SubjectFile::open(plan_.path, stage_.options);
      if (!file) return std::unexpected(file.error());
      stage_.file.emplace(std::move(*file));
      operation.before(stage_);
    }
    if (plan_.opens_other) {
      auto other = SubjectFile::open(plan_.path, stage_.options);
      if (!other) return std::unexpected(other.error());
      stage_.other.emplace(std::move(*other));
    }
    if (operation.holder == Operation::Holder::kOtherThread) {
      stage_.others_guard.emplace(*stage_.file->lock_publication());
    }
    return {};
  }

  void work() {
    World& world = stage_.world;
    // A thread's first allocation makes calls that differ from run to run.
    stage_.warmed_up = std::make_unique<char[]>(1);
    world.thread = static_cast<pid_t>(::syscall(SYS_gettid));
    static_cast<void>(starter_.read());
    mark(Marker::kBegin);
    const Outcome outcome = plan_.operation->run(stage_);
    mark(Marker::kEnd);
    world.error = outcome ? -1 : static_cast<int>(outcome.error().code());
    world.note(outcome ? "  the operation succeeds"
                       : "  the operation fails: " + outcome.error().message());
    if (!outcome && plan_.tries_again) {
      const Outcome again = plan_.operation->run(stage_);
      world.error_again = again ? -1 : static_cast<int>(again.error().code());
      if (!again) world.note("  again, it fails: " + again.error().message());
    }
    world.done = true;
  }

  // --- Children -----------------------------------------------------------------------------------

  int fork_child(const std::function<void()>& life, bool wait) {
    const pid_t child = ::fork();
    if (child == 0) {
      stage_.world.child_began = true;
      life();
      ::_exit(0);
    }
    stage_.world.child = child;
    if (wait) return reap();
    while (!stage_.world.child_began) std::this_thread::yield();
    return 0;
  }

  int reap() {
    int status = 0;
    ::waitpid(stage_.world.child.exchange(0), &status, 0);
    return status;
  }

  void unwind() {
    stage_.guard.reset();
    stage_.others_guard.reset();
    stage_.other.reset();
    stage_.reader.reset();
    stage_.file.reset();
  }

  void sleep_for_ever() {
    ::close(plan_.life_end);
    char byte = 0;
    static_cast<void>(::read(plan_.life, &byte, 1));
    ::_exit(0);
  }

  // Another program, which sleeps for ever and does not know of the file.
  void exec() {
    ::dup2(plan_.life, STDIN_FILENO);
    ::execl("/bin/cat", "cat", static_cast<char*>(nullptr));
    ::_exit(127);
  }

  // As a library does that has something to say. They lead nowhere again then.
  static int write_standard() {
    const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0) return 1;
    for (const int fd : {0, 1, 2}) {
      static_cast<void>(::write(fd, "rubbish", 7));
      if (fd != nowhere) ::dup2(nowhere, fd);
    }
    if (nowhere > 2) ::close(nowhere);
    return 0;
  }

  void use_in_child() {
    World& world = stage_.world;
    if (stage_.file && plan_.operation->scene == Scene::kOpen &&
        std::string_view(plan_.operation->name) != "close") {
      const auto lock = stage_.file->try_lock_publication();
      const auto check = stage_.file->check_file();
      if (lock || lock.error() != ShmErrorCode::kFileForked || check ||
          check.error() != ShmErrorCode::kFileForked) {
        world.blame(kW1, "a child may use what its parent opened");
      }
    }
    if (plan_.operation->scene < Scene::kShared) return;
    const auto own = ShmFile::open(plan_.path, options_of(world));
    if (!own) {
      world.blame(kW1, "a child cannot open the file itself: " + own.error().message());
    } else if (const auto snapshot = own->layout().try_load_consistent_snapshot(100)) {
      world.judge_read(*snapshot, "the child");
    }
  }

  // --- The other thread ---------------------------------------------------------------------------

  int use() {
    World& world = stage_.world;
    if (!stage_.file) return 0;
    auto guard = stage_.file->try_lock_publication_for(std::chrono::milliseconds(300));
    if (!guard) {
      world.blame(kW6, "another thread gets an error: " + guard.error().message());
    } else if (auto& held = *guard) {
      static_cast<void>(reconcile(*held, world));
      world.note("  another thread of the subject publishes");
    } else {
      world.blame(kW6, "another thread does not get the publication lock");
    }
    return 0;
  }

  int finish() {
    if (worker_.joinable()) worker_.join();
    stage_.world.owner = 0;
    unwind();
    const auto files = open_files();
    stage_.world.unexpected_descriptors = static_cast<int>(files.descriptors - descriptors_);
    stage_.world.unexpected_mappings = static_cast<int>(files.mappings);
    return 0;
  }

  [[nodiscard]] harness::OpenFiles open_files() const {
    return harness::open_files(plan_.path.parent_path());
  }

  SubjectPlan plan_;
  const Pipe& starter_;
  Stage stage_;
  std::ptrdiff_t descriptors_ = 0;
  std::thread worker_;
};

}  // namespace

Subject::Subject(World& world, const SubjectPlan& plan) : world_(world) {
  // The actor lives in the child alone.
  auto actor = std::make_shared<std::unique_ptr<Actor>>();
  puppet_ = std::make_unique<Puppet>(
      [=, this, &world] {
        *actor = std::make_unique<Actor>(world, plan, starter_);
        return (*actor)->begin();
      },
      [=](char order) { return (*actor)->obey(order); });
}

}  // namespace fsqlshm::world
