#include "stress/world/others.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <vector>

namespace fsqlshm::world {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// Errors that say that the name leads elsewhere, or that the file is not what it was.
bool says_lost(ShmErrorCode code) {
  using enum ShmErrorCode;
  static constexpr std::array kCodes = {
      kFileReplaced, kFileTruncated,   kTooSmall,         kBadMagic,      kVersionMismatch,
      kFileInUse,    kInvalidPageSize, kChecksumMismatch, kNeedsRecovery, kFileOpen};
  return std::ranges::find(kCodes, code) != kCodes.end();
}

// --- Everything that one may do with an open file -------------------------------------------------

class User {
 public:
  User(World& world, ShmFile& file, std::string who, std::string_view property)
      : world_(world), file_(file), who_(std::move(who)), property_(property) {}

  // `subject_stands_still`: it may hold the lock, and be the writer.
  void work(bool subject_stands_still, std::uint64_t now) {
    publish(subject_stands_still);
    static_cast<void>(allocate(file_, world_));
    write(now);
  }

  void read() {
    if (const auto seen = file_.layout().try_load_consistent_snapshot(1000)) {
      world_.judge_read(*seen, who_);
    }
  }

 private:
  void blame(std::string_view property, const std::string& what) {
    world_.blame(property, fmt::format("{} {}", who_, what));
  }

  void publish(bool may_be_held) {
    const bool held = world_.guard_held;
    auto locked = file_.try_lock_publication_for(milliseconds(may_be_held ? 0 : 200));
    if (!locked) return blame(property_, "cannot lock: " + locked.error().message());
    auto& guard = *locked;
    if (!guard) {
      if (!may_be_held) blame(property_, "does not get the publication lock");
      return;
    }
    if (held && may_be_held) {
      blame(kW1, "gets the publication lock, which the subject holds");
      return;
    }
    if (guard->needs_reconcile()) {
      if (const auto done = reconcile(*guard, world_); !done) {
        return blame(property_, "cannot reconcile: " + done.error().message());
      }
    }
    if (const auto done = commit_and_publish(*guard, world_); !done) {
      return blame(property_, "cannot publish: " + done.error().message());
    }
    read();
  }

  // The writer: nobody's who ended, and nobody else's while it has an owner that lives.
  void write(std::uint64_t now) {
    const std::uint64_t owner = now < kLease ? world_.owner.load() : 0;
    if (now >= kLease) world_.owner = 0;  // from here on its lease is over
    const Exclusion answer = file_.layout().check_serialized_writer_exclusion(now);
    if (owner != 0) {
      if (answer == Exclusion::kOk) blame(kW3, "is told that the writer, which lives, is gone");
    } else if (answer != Exclusion::kOk && !claiming_) {
      return blame(property_, "finds a writer that nobody is");
    }
    const auto id = allocate(file_, world_);
    if (!id) return;
    if (!file_.layout().acquire_serialized_writer(*id, now + 30)) {
      if (owner == 0 && !claiming_) blame(property_, "cannot become the writer");
      return;
    }
    if (owner != 0) blame(kW3, "becomes the writer while another one is");
    if (!file_.layout().release_serialized_writer(*id) && now < kLease) {
      blame(kW3, "is the writer no more when it releases");
    }
  }

 public:
  /// The subject may be in the middle of an acquire or release.
  void expect_claims() { claiming_ = true; }

 private:
  World& world_;
  ShmFile& file_;
  std::string who_;
  std::string_view property_;
  bool claiming_ = false;
};

// --- Peer -------------------------------------------------------------------------------------------

class PeerActor {
 public:
  PeerActor(World& world, fs::path path, uid_t user)
      : world_(world), path_(std::move(path)), user_(user) {}

  int begin() {
    if (!become(user_)) return 1;
    auto file = ShmFile::open(path_, options_of(world_));
    if (!file) {
      world_.blame(kW4, "the peer cannot open the file: " + file.error().message());
      return 1;
    }
    world_.acknowledged = world_.durable.load();
    file_.emplace(std::move(*file));
    return 0;
  }

  int obey(char order) {
    if (!file_) return 1;
    ShmFile& file = *file_;
    switch (static_cast<PeerOrder>(order)) {
      case PeerOrder::kWork:
        return work(file, kNow);
      case PeerOrder::kWorkLater:
        return work(file, kLease + 1000);
      case PeerOrder::kHold:
        guard_.emplace(*file.lock_publication());
        return 0;
      case PeerOrder::kLetGo:
        guard_.reset();
        return 0;
      case PeerOrder::kExpectLost:
        return expect_lost(file);
      case PeerOrder::kExpectFine:
        if (const auto good = file.check_file(); !good) {
          world_.blame(kW5, "the peer's file counts as lost: " + good.error().message());
        }
        return 0;
    }
    return 1;
  }

 private:
  int work(ShmFile& file, std::uint64_t now) {
    world_.note("  the peer works");
    User user(world_, file, "the peer", kW2);
    user.expect_claims();
    if (guard_) return 0;
    user.work(true, now);
    return 0;
  }

  int expect_lost(ShmFile& file) {
    const auto checked = file.check_file();
    world_.note("  the peer looks: " + (checked ? "fine" : checked.error().message()));
    if (checked) {
      world_.blame(kW5, "the peer does not see that the name leads to another file");
    } else if (!says_lost(checked.error().code())) {
      world_.blame(kW5, "the peer is told: " + checked.error().message());
    }
    guard_.reset();
    // A guard looks at the names again some milliseconds after the last look.
    std::this_thread::sleep_for(milliseconds(9));
    if (file.try_lock_publication().value_or(std::nullopt)) {
      world_.blame(kW5, "the peer gets a guard of a file that has lost its name");
    }
    return 0;
  }

  World& world_;
  fs::path path_;
  uid_t user_;
  std::optional<ShmFile> file_;
  std::optional<ShmFile::Guard> guard_;
};

// --- Newcomer ---------------------------------------------------------------------------------------

int visit_for_reading(World& world, const fs::path& path, const Visit& how) {
  const auto file = ReadOnlyShmFile::open(path);
  if (!file) {
    world.note(fmt::format("  {}: {}", how.who, file.error().message()));
    const bool refused = file.error() == ShmErrorCode::kNeedsRecovery && how.blocked_readers;
    if (!refused && !(how.file_is_lost && says_lost(file.error().code()))) {
      world.blame(how.property, how.who + " cannot open for reading: " + file.error().message());
    }
    return 0;
  }
  if (const auto seen = file->layout().try_load_consistent_snapshot(1000); !seen) {
    if (!how.file_is_lost) world.blame(how.property, how.who + " cannot read");
  } else if (!how.file_is_lost) {
    world.judge_read(*seen, how.who);
  }
  return 0;
}

// Runs `body` as the first process of new namespaces, where they may be made.
int in_namespaces(int which, const std::function<int()>& body) {
  if (which == 0) return body();
  if (::unshare(which) != 0) return 0;
  if ((which & CLONE_NEWTIME) != 0)
    std::ofstream("/proc/self/timens_offsets") << "monotonic 1000000 0\nboottime 1000000 0\n";
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

int visit(World& world, const fs::path& path, const Visit& how) {
  if (how.may_read_only) return visit_for_reading(world, path, how);
  const int recoveries = world.recoveries;
  auto file = ShmFile::open_or_create(path, options_of(world));
  if (!file) {
    world.note(fmt::format("  {}: {}", how.who, file.error().message()));
    if (!(how.file_is_lost && says_lost(file.error().code()))) {
      world.blame(how.property, how.who + " cannot open: " + file.error().message());
    }
    return 0;
  }
  world.note(fmt::format("  {} opens the file{}", how.who,
                         world.recoveries != recoveries ? " and establishes its state" : ""));
  if (how.others_use_it && world.recoveries != recoveries) {
    world.blame(kW4, how.who + " establishes a state that is in use");
  }
  if (how.file_is_lost) {
    world.blame(kW5, how.who + " uses another file than those who have it open");
    return 0;
  }
  User user(world, *file, how.who, how.property);
  if (how.subject_stands_still) user.expect_claims();
  user.read();
  user.work(how.subject_stands_still, kNow);
  const bool still = world.owner == 0 && !how.subject_stands_still;
  if (const auto wrong = validate(file->header_bytes()); still && !wrong.empty()) {
    world.blame(how.property, how.who + " finds: " + wrong.front().message());
  }
  const auto deadline = std::chrono::steady_clock::now() + kVisitLimit;
  while (how.stays && !world.operation_over && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(milliseconds(1));
  }
  if (const auto closed = file->close(); !closed) {
    world.blame(how.property, how.who + " cannot close: " + closed.error().message());
  }
  return 0;
}

void send_newcomer(World& world, const fs::path& path, const Visit& how) {
  const harness::ChildState end = harness::run_in_child(
      [&] {
        if (!become(how.user)) return 1;
        return in_namespaces(how.namespaces, [&] { return visit(world, path, how); });
      },
      kVisitLimit);
  if (end.exited()) return;
  world.blame(end.died_of(SIGKILL) ? how.property : kW5,
              end.died_of(SIGKILL)
                  ? fmt::format("{} is not done after {} s", how.who, kVisitLimit.count())
                  : fmt::format("{} {}", how.who, end.text()));
}

Peer::Peer(World& world, const fs::path& path, uid_t user) {
  auto actor = std::make_shared<PeerActor>(world, path, user);
  puppet_ = std::make_unique<Puppet>([actor] { return actor->begin(); },
                                     [actor](char order) { return actor->obey(order); });
}

}  // namespace fsqlshm::world
