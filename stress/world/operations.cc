// What a subject does while something happens to it.

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "stress/world/subject.h"

namespace fsqlshm::world {
namespace {

// An operation finds what its scene and `before` put there.
// NOLINTBEGIN(bugprone-unchecked-optional-access)

using enum ShmErrorCode;
using Holder = Operation::Holder;

const std::vector<ShmErrorCode> kMaking = {kFileNoSpace, kFileCreate, kFileOwner, kFileSync,
                                           kFileOpen,    kFileMap,    kFileLock};
const std::vector<ShmErrorCode> kOpening = {kFileOpen, kFileMap, kFileLock, kFileNoSpace};
const std::vector<ShmErrorCode> kLocking = {kFileLock, kFileOpen};

template <class T, class File>
Outcome keep(T& place, std::expected<File, ShmError>&& made) {
  if (!made) return std::unexpected(made.error());
  place.emplace(std::move(*made));
  return {};
}

Outcome opened(Stage& stage, std::expected<SubjectFile, ShmError>&& made) {
  return keep(stage.file, std::move(made));
}

Outcome lock(Stage& stage) {
  const auto guard = stage.file->lock_publication();
  if (!guard) return std::unexpected(guard.error());
  return {};
}

Outcome try_lock(Stage& stage, std::chrono::milliseconds patience, bool must_get) {
  const auto guard = stage.file->try_lock_publication_for(patience);
  if (!guard) return std::unexpected(guard.error());
  // Where a call answers that others hold the lock, its patience may be over.
  if (must_get && !*guard && !stage.world.calls_fail)
    stage.world.blame(kW6, "a lock that is free is not granted");
  return {};
}

void takes_guard(Stage& stage) {
  stage.guard.emplace(*stage.file->lock_publication());
  stage.world.guard_held = true;
}

void drop_guard(Stage& stage) {
  stage.world.guard_held = false;
  stage.guard.reset();
}

void acquire_as(Stage& stage, std::uint64_t lease) {
  auto layout = stage.file->layout();
  const bool mine = layout.acquire_serialized_writer(*stage.id, lease);
  // By a clock that is ahead its lease is over as soon as it begins.
  const bool evicted = stage.world.clock_jumped && layout.check_serialized_writer() != stage.id;
  if (mine && !evicted) stage.world.owner = stage.id->get();
}

void takes_id(Stage& stage) { stage.id = allocate(*stage.file, stage.world); }

void takes_writer(Stage& stage) {
  takes_id(stage);
  acquire_as(stage, kLease);
}

Outcome publish(Stage& stage, bool fenced) {
  World& world = stage.world;
  if (!stage.guard) takes_guard(stage);  // again, after a failure
  const std::uint64_t n = ++world.durable;
  const ShmSnapshot next = triple_of(n);
  const auto done =
      fenced ? stage.guard->publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch,
                                             *stage.id)
             : stage.guard->publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch);
  if (done) world.acknowledged = n;
  drop_guard(stage);
  return done;
}

Outcome repair(Stage& stage) {
  auto guard = stage.file->lock_publication();
  if (!guard) return std::unexpected(guard.error());
  const bool untouched = stage.world.durable == kFirstCommit && !stage.world.ids_durable;
  if (untouched && !guard->needs_reconcile()) {
    stage.world.blame(kW2, "the guard does not see a half publish");
  }
  return reconcile(*guard, stage.world);
}

Outcome check(Stage& stage) {
  const auto answer = stage.file->layout().check_serialized_writer_exclusion(kNow);
  if (answer == Exclusion::kOk) return {};
  // A question that the kernel does not answer is no death.
  if (stage.world.calls_fail) return std::unexpected(ShmError(kFileLock));
  stage.world.blame(kW2, "a writer that ended keeps others out");
  return {};
}

Outcome ask_users(Stage& stage) {
  const auto users = users_of(stage.path);
  if (!users) return std::unexpected(users.error());
  return {};
}

Outcome read_header(Stage& stage) {
  const auto bytes = read_header_bytes(stage.path);
  if (!bytes) return std::unexpected(bytes.error());
  return {};
}

Outcome trust(Stage& stage) {
  ShmFileOptions options = stage.options;
  options.recover = {};
  options.trust_found_state = true;
  return opened(stage, SubjectFile::open(stage.path, options));
}

std::vector<Operation> openings() {
  const auto create = [](Stage& s) { return opened(s, SubjectFile::create(s.path, s.options)); };
  const auto any = [](Stage& s) {
    return opened(s, SubjectFile::open_or_create(s.path, s.options));
  };
  const auto open = [](Stage& s) { return opened(s, SubjectFile::open(s.path, s.options)); };
  const auto read = [](Stage& s) { return keep(s.reader, ReadOnlyShmFile::open(s.path)); };
  return {
      {.name = "create", .scene = Scene::kNoFile, .run = create, .errors = kMaking, .opens = true},
      {.name = "open-or-create",
       .scene = Scene::kNoFile,
       .run = any,
       .errors = kMaking,
       .opens = true},
      {.name = "recover", .scene = Scene::kLeft, .run = open, .errors = kOpening, .opens = true},
      {.name = "recover-unlocked",
       .scene = Scene::kLeft,
       .run = open,
       .errors = kMaking,
       .lacks_lock_file = true,
       .opens = true},
      {.name = "trust", .scene = Scene::kLeft, .run = trust, .errors = kOpening, .opens = true},
      {.name = "join", .scene = Scene::kShared, .run = open, .errors = kOpening, .opens = true},
      {.name = "read-only",
       .scene = Scene::kShared,
       .run = read,
       .errors = kOpening,
       .opens = true},
      {.name = "read-header",
       .scene = Scene::kShared,
       .run = read_header,
       .errors = {kFileOpen, kTooSmall}},
      {.name = "users-of", .scene = Scene::kShared, .run = ask_users, .errors = kLocking},
      {.name = "remove",
       .scene = Scene::kLeft,
       .run = [](Stage& s) { return SubjectFile::remove(s.path); },
       .errors = {kFileInUse, kFileOpen, kFileLock}},
  };
}

Operation on_open_file(
    const char* name, std::function<Outcome(Stage&)> run, std::vector<ShmErrorCode> errors,
    std::function<void(Stage&)> before = [](Stage&) {}) {
  return {.name = name,
          .scene = Scene::kOpen,
          .run = std::move(run),
          .errors = std::move(errors),
          .before = std::move(before),
          .touches_mapping = true};
}

Operation& named(std::vector<Operation>& all, std::string_view name) {
  return *std::ranges::find(all, name, &Operation::name);
}

std::vector<Operation> publications() {
  using std::chrono::milliseconds;
  std::vector<Operation> all = {
      on_open_file("lock", lock, kLocking),
      on_open_file("lock-waits", lock, kLocking),
      on_open_file("lock-takes-turns", lock, kLocking),
      on_open_file(
          "try-lock", [](Stage& s) { return try_lock(s, milliseconds(5), true); }, kLocking),
      on_open_file(
          "try-lock-held", [](Stage& s) { return try_lock(s, milliseconds(0), false); }, kLocking),
      on_open_file(
          "publish", [](Stage& s) { return publish(s, false); }, {}, takes_guard),
      on_open_file(
          "publish-fenced", [](Stage& s) { return publish(s, true); }, {kFenced},
          [](Stage& s) {
            takes_writer(s);
            takes_guard(s);
          }),
      on_open_file("reconcile", repair, kLocking),
      on_open_file(
          "unlock",
          [](Stage& s) {
            drop_guard(s);
            return Outcome{};
          },
          {}, takes_guard),
  };
  named(all, "lock-waits").holder = Holder::kPeer;
  named(all, "try-lock-held").holder = Holder::kPeer;
  named(all, "lock-takes-turns").holder = Holder::kOtherThread;
  named(all, "reconcile").words = Words216::kOdd;
  return all;
}

std::vector<Operation> other_uses() {
  std::vector<Operation> all = {
      on_open_file(
          "acquire",
          [](Stage& s) {
            acquire_as(s, kLease);
            return Outcome{};
          },
          {}, takes_id),
      on_open_file(
          "release",
          [](Stage& s) {
            s.world.owner = 0;
            s.file->layout().release_serialized_writer(*s.id);
            return Outcome{};
          },
          {}, takes_writer),
      on_open_file("check", check, {kFileLock}),
      on_open_file("alloc",
                   [](Stage& s) {
                     // From a file that is lost under it, it may get what others got.
                     const auto id = s.file->layout().alloc_txn_id();
                     if (id && !s.world.ids_durable) s.world.hand_out(*id);
                     return Outcome{};
                   },
                   {}),
      on_open_file("check-file", [](Stage& s) { return s.file->check_file(); }, {kFileOpen}),
      on_open_file("sync", [](Stage& s) { return s.file->sync(); }, {kFileSync}),
      on_open_file("close", [](Stage& s) { return s.file->close(); }, {kFileClose}),
  };
  named(all, "check").words = Words216::kDeadOwner;
  named(all, "close").touches_mapping = false;
  return all;
}

constexpr std::pair<std::string_view, std::string_view> kAbout[] = {
    {"create", "make the file"},
    {"open-or-create", "open the file, which is not there"},
    {"recover", "open a file that nobody has open"},
    {"recover-unlocked", "open a file that nobody has open and that has no lock file"},
    {"trust", "open a file that nobody has open, with trust_found_state"},
    {"join", "open a file that others have open"},
    {"read-only", "open a file that others have open, for reading"},
    {"read-header", "read_header_bytes"},
    {"users-of", "users_of"},
    {"remove", "remove a file that nobody has open"},
    {"lock", "take the publication lock"},
    {"lock-waits", "wait for the publication lock of another process"},
    {"lock-takes-turns", "wait for the publication lock of another thread"},
    {"try-lock", "try for 5 ms to take the publication lock"},
    {"try-lock-held", "try to take the publication lock that another process holds"},
    {"publish", "publish"},
    {"publish-fenced", "publish as the serialized writer"},
    {"reconcile", "take the lock after the death of a publisher, and reconcile"},
    {"unlock", "give the publication lock back"},
    {"acquire", "become the serialized writer"},
    {"release", "end being the serialized writer"},
    {"check",
     "check whether a concurrent writer may proceed, after the death of the serialized one"},
    {"alloc", "allocate a transaction id"},
    {"check-file", "check that the name still leads to the file"},
    {"sync", "sync the file"},
    {"close", "close the file"},
};

// NOLINTEND(bugprone-unchecked-optional-access)

}  // namespace

const std::vector<Operation>& operations() {
  static const std::vector<Operation> kAll = [] {
    std::vector<Operation> together;
    for (auto&& part : {openings(), publications(), other_uses()}) {
      together.insert(together.end(), part.begin(), part.end());
    }
    for (Operation& operation : together) {
      const auto known =
          std::ranges::find(kAbout, operation.name, [](const auto& a) { return a.first; });
      if (known == std::end(kAbout)) throw std::logic_error("an operation without a description");
      operation.about = known->second;
    }
    return together;
  }();
  return kAll;
}

}  // namespace fsqlshm::world
