#include "stress/operations.h"

#include <fmt/format.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

#include "core/src/before_call.h"

namespace fsqlshm::stress {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kOld = 5;  // publish numbers
constexpr std::uint64_t kNew = 6;

constexpr std::string_view kBusy = "busy until the lease ends";

void publish(auto& file, std::uint64_t n) {
  const ShmSnapshot triple = triple_of(n);
  auto guard = file.lock_publication();
  static_cast<void>(
      guard->publish_snapshot(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch));
}

void reconcile(auto& file, std::uint64_t n) {
  const ShmSnapshot triple = triple_of(n);
  auto guard = file.lock_publication();
  guard->reconcile(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch);
}

// --- What is observed ----------------------------------------------------------------------------

template <class Protocol>
std::string snapshot_seen(const fs::path& path) {
  const auto file = open_file<BasicShmFile<Protocol>>(path);
  const auto snapshot = file.layout().try_load_consistent_snapshot(100);
  if (!snapshot) return "none";
  if (*snapshot == triple_of(0)) return "empty";
  if (*snapshot == triple_of(kOld)) return "old";
  return *snapshot == triple_of(kNew) ? "new" : "torn";
}

template <class Protocol>
std::string writer_seen(const fs::path& path) {
  auto file = open_file<BasicShmFile<Protocol>>(path);
  if (check(file, kNow) == Exclusion::kOk) return "ok";
  return std::string(check(file, kLease) == Exclusion::kOk ? kBusy : kBusyForEver);
}

template <class Protocol>
std::string txn_id_seen(const fs::path& path) {
  const auto id = open_file<BasicShmFile<Protocol>>(path).layout().alloc_txn_id();
  return id == id_of(1) ? "not taken" : (id == id_of(2) ? "taken" : "wrong");
}

template <class Protocol>
std::string gc_horizon_seen(const fs::path& path) {
  const auto horizon = open_file<BasicShmFile<Protocol>>(path).layout().load_gc_horizon();
  return horizon == CommitSeq(kOld) ? "moved" : (horizon == CommitSeq(0) ? "0" : "wrong");
}

std::string file_seen(const fs::path& path) {
  if (!fs::exists(path)) return "absent";
  const auto file = ShmFile::open(path);
  return file && validate(file->header_bytes()).empty() ? "complete" : "half-made";
}

// --- Operations on a header ----------------------------------------------------------------------

template <class Protocol>
class HeaderOperations {
 public:
  using File = BasicShmFile<Protocol>;
  using Struck = BasicShmFile<Protocol, MomentWords>;
  using Body = std::function<void(Struck&)>;

  explicit HeaderOperations(const fs::path& path) : path_(path) {}

  std::vector<Operation> all() {
    add_publications();
    add_writers();
    add_checks();
    add("alloc_txn_id", made(),
        work([](Struck& f) { static_cast<void>(f.layout().alloc_txn_id()); }),
        txn_id_seen<Protocol>, {"not taken", "taken"});
    add("store_gc_horizon", made([](File& f) { publish(f, kOld); }),
        work([](Struck& f) { f.layout().store_gc_horizon(CommitSeq(kOld)); }),
        gc_horizon_seen<Protocol>, {"0", "moved"});
    return std::move(all_);
  }

 private:
  // A new file on which `body` ran.
  static Work made(const std::function<void(File&)>& body = [](File&) {}) {
    return [body](const fs::path& path) {
      File file = opened(File::create(path));
      body(file);
    };
  }
  // A new file that a process left behind, which died before this step; 0: when its work was done.
  static Work left_by(const Work& work, std::uint64_t step) {
    return [work, step](const fs::path& path) {
      if (!fs::exists(path)) made()(path);
      StruckProcess process(work, path, step, sends_itself(SIGKILL));
      const harness::ChildState end = process.wait();
      if (step == 0 ? !end.exited() : !end.died_of(SIGKILL)) {
        throw std::runtime_error("a child that should leave something behind " + end.text());
      }
    };
  }
  // `before` is done by the same process, and its steps do not count.
  static Work work(const Body& body, const Body& before = [](Struck&) {}) {
    return [body, before](const fs::path& path) {
      auto file = open_file<Struck>(path);
      before(file);
      Moments::begin();
      body(file);
    };
  }

  static Body acquires(std::uint64_t lease) {
    return [lease](Struck& file) { static_cast<void>(acquire(file, 7, lease)); };
  }
  static void releases(Struck& file) {
    static_cast<void>(file.layout().release_serialized_writer(id_of(7)));
  }
  static void checks(Struck& file) { static_cast<void>(check(file)); }

  void add(std::string name, Work prepare, Work run, std::string (*observe)(const fs::path&),
           std::vector<std::string_view> outcomes) {
    all_.push_back(
        {std::move(name), std::move(prepare), std::move(run), observe, std::move(outcomes)});
  }

  void add_publications() {
    const auto old = [](File& f) { publish(f, kOld); };
    const auto publishes = [](Struck& f) { publish(f, kNew); };
    const auto reconciles = [](Struck& f) { reconcile(f, kNew); };
    const Work died_in_publish = [=](const fs::path& path) {
      made(old)(path);
      left_by(work(publishes), 4)(path);
    };
    const auto seen = snapshot_seen<Protocol>;
    add("publish_snapshot", made(old), work(publishes), seen, {"old", "none", "new"});
    add("publish_snapshot, first", made(), work(publishes), seen, {"empty", "none", "new"});
    add("reconcile", made(old), work(reconciles), seen, {"old", "none", "new"});
    add("reconcile after a death", died_in_publish, work(reconciles), seen, {"none", "new"});
    const auto all_three = [](Struck& f) {
      publish(f, kNew);
      reconcile(f, kOld);
      publish(f, kNew);
    };
    add("publish, reconcile, publish", made(old), work(all_three), seen,
        {"old", "none", "new", "none", "old", "none", "new"});
  }

  void add_writer(std::string name, Work prepare, Work run,
                  std::vector<std::string_view> outcomes) {
    add(std::move(name), std::move(prepare), std::move(run), writer_seen<Protocol>,
        std::move(outcomes));
  }

  void add_writers() {
    const Work held_by_parent = made([](File& f) { acquire(f, 3, kLease); });
    add_writer("acquire with a lease", made(), work(acquires(kLease)), {"ok", kBusy});
    add_writer("acquire without a lease", made(), work(acquires(0)), {"ok"});
    add_writer("acquire, held by another", held_by_parent, work(acquires(kLease)), {kBusy});
    add_writer("release with a lease", made(), work(releases, acquires(kLease)), {kBusy, "ok"});
    add_writer("release without a lease", made(), work(releases, acquires(0)), {"ok"});
    add_writer("release by a stranger", held_by_parent, work(releases), {kBusy});
  }

  void add_checks() {
    const auto owned = [](std::uint64_t lease) { return left_by(work(acquires(lease)), 0); };
    add_writer("check, no owner", made(), work(checks), {"ok"});
    add_writer("check, a live lease", owned(kLease), work(checks), {kBusy});
    add_writer("check, a lease that ended", owned(kExpired), work(checks), {"ok"});
    add_writer("check, a dead owner", owned(0), work(checks), {"ok"});
    add_writer("check, then acquire", owned(0), work([](Struck& file) {
                 checks(file);
                 acquires(kLease)(file);
               }),
               {"ok", kBusy});
    // Deaths on top of deaths: a claimer or releaser dies at each step, and then the process that
    // repairs this dies at each step too.
    const Work claim = work(acquires(0));
    const Work release = work(releases, acquires(0));
    for (const auto& [who, died] :
         {std::pair("claimer", &claim), std::pair("releaser", &release)}) {
      const std::uint64_t steps = steps_of(*died);
      for (std::uint64_t step = 1; step <= steps; ++step) {
        add_writer(fmt::format("check, a {} that died at step {}", who, step), left_by(*died, step),
                   work(checks), {"ok"});
      }
    }
  }

  std::uint64_t steps_of(const Work& work) {
    fs::remove(path_);
    made()(path_);
    StruckProcess process(work, path_, 0, {});
    process.wait();
    return process.log().count;
  }

  fs::path path_;
  std::vector<Operation> all_;
};

}  // namespace

template <class Protocol>
std::vector<Operation> header_operations(const fs::path& path) {
  return HeaderOperations<Protocol>(path).all();
}

std::vector<Operation> creations() {
  std::vector<Operation> all;
  for (const bool nameless : {true, false}) {
    for (const bool durable : {false, true}) {
      const auto create = [=](const fs::path& path) {
        const internal::ScopedBeforeCall scope([=](const char* call) {
          // A file system that does not know files without a name.
          if (!nameless && std::string_view(call) == "openat(O_TMPFILE)") return EOPNOTSUPP;
          return Moments::pass(call);
        });
        Moments::begin();
        static_cast<void>(ShmFile::create(path, {.durable = durable}));
      };
      all.push_back({fmt::format("{}{}", nameless ? "without a name" : "under another name",
                                 durable ? ", durable" : ""),
                     [](const fs::path&) {},
                     create,
                     file_seen,
                     {"absent", "complete"},
                     "linkat"});
    }
  }
  return all;
}

template <class Protocol>
std::string newcomer_trouble(const fs::path& path, std::uint64_t now) {
  using File = BasicShmFile<Protocol>;
  auto file = File::open_or_create(path);
  if (!file) return "the file cannot be opened: " + file.error().message();
  auto layout = file->layout();
  auto guard = file->try_lock_publication().value_or(std::nullopt);
  if (!guard) return "the publication lock is not free";
  const bool odd = !layout.try_load_consistent_snapshot(10);
  if (guard->needs_reconcile() != odd) return "the guard does not see the death";
  // Greater than everything published, so that the gc horizon stays behind it.
  const ShmSnapshot next = triple_of(layout.load_commit_seq().get() + 1);
  if (odd && guard->publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch)) {
    return "the guard publishes before it has reconciled";
  }
  guard->reconcile(next.commit_seq, next.schema_epoch, next.ecs_epoch);
  if (layout.try_load_consistent_snapshot(1) != next) return "reconcile does not repair";
  guard.reset();

  if (check(*file, now) != Exclusion::kOk) return std::string(kBusyForEver);
  if (!acquire(*file, 9, now + 1)) return "no process can acquire";
  if (check(*file, now) != Exclusion::kBusy) return "a new owner does not exclude";
  if (!layout.release_serialized_writer(id_of(9))) return "a new owner cannot release";
  const auto errors = validate(file->header_bytes());
  return errors.empty() ? "" : errors.front().message();
}

template std::vector<Operation> header_operations<HardenedProtocol>(const fs::path&);
template std::vector<Operation> header_operations<ReferenceProtocol>(const fs::path&);
template std::string newcomer_trouble<HardenedProtocol>(const fs::path&, std::uint64_t);
template std::string newcomer_trouble<ReferenceProtocol>(const fs::path&, std::uint64_t);

}  // namespace fsqlshm::stress
