#include "stress/operations.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "harness/describe.h"
#include "harness/system_calls.h"

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
  static_cast<void>(guard->reconcile(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch));
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
  const auto file = ShmFile::open(path, trusting());
  return file && validate(file->header_bytes()).empty() ? "complete" : "damaged";
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
  // A lease does not outlive its process; it does in the published protocol.
  static constexpr bool kLeasesOutlive = std::is_same_v<Protocol, ReferenceProtocol>;
  using Outcomes = std::vector<std::string_view>;
  static Outcomes outcomes(const Outcomes& all, const Outcomes& if_leases_outlive) {
    return kLeasesOutlive ? if_leases_outlive : all;
  }

  // A new file on which `body` ran.
  static Work made(const std::function<void(File&)>& body = [](File&) {}) {
    return [body](const fs::path& path) {
      auto file = std::make_shared<File>(opened(File::create(path)));
      body(*file);
      return file;
    };
  }
  // The file that `before` made, when a process left something behind in it, which died before this
  // step; 0: when its work was done.
  static Work left_by(const Work& work, std::uint64_t step, const Work& before = made()) {
    return [work, step, before](const fs::path& path) {
      Kept keeper = before(path);
      StruckProcess process(work, path, step, sends_itself(SIGKILL));
      const harness::ChildState end = process.wait();
      if (step == 0 ? !end.exited() : !end.died_of(SIGKILL)) {
        throw std::runtime_error("a child that should leave something behind " + end.text());
      }
      return keeper;
    };
  }
  // `before` is done by the same process, and its steps do not count.
  static Work work(const Body& body, const Body& before = [](Struck&) {}) {
    return [body, before](const fs::path& path) {
      auto file = std::make_shared<Struck>(open_file<Struck>(path));
      before(*file);
      Moments::begin();
      body(*file);
      return file;
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
           Outcomes outcomes, std::string_view alive = {}) {
    all_.push_back(
        {std::move(name), std::move(prepare), std::move(run), observe, std::move(outcomes), alive});
  }

  void add_publications() {
    const auto old = [](File& f) { publish(f, kOld); };
    const auto publishes = [](Struck& f) { publish(f, kNew); };
    const auto reconciles = [](Struck& f) { reconcile(f, kNew); };
    const Work died_in_publish = left_by(work(publishes), 4, made(old));
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

  void add_writer(std::string name, Work prepare, Work run, Outcomes outcomes,
                  std::string_view alive = {}) {
    add(std::move(name), std::move(prepare), std::move(run), writer_seen<Protocol>,
        std::move(outcomes), alive);
  }
  // By the parent, which lives.
  static Work held(std::uint64_t lease) {
    return made([lease](File& f) { acquire(f, 3, lease); });
  }

  void add_writers() {
    add_writer("acquire with a lease", made(), work(acquires(kLease)),
               outcomes({"ok"}, {"ok", kBusy}), kBusy);
    add_writer("acquire without a lease", made(), work(acquires(0)), {"ok"}, kBusyForEver);
    add_writer("acquire, held by another", held(kLease), work(acquires(kLease)), {kBusy});
    add_writer("release with a lease", made(), work(releases, acquires(kLease)),
               outcomes({"ok"}, {kBusy, "ok"}));
    add_writer("release without a lease", made(), work(releases, acquires(0)), {"ok"});
    add_writer("release by a stranger", held(kLease), work(releases), {kBusy});
  }

  void add_checks() {
    const auto left_owned = [](std::uint64_t lease) { return left_by(work(acquires(lease)), 0); };
    add_writer("check, no owner", made(), work(checks), {"ok"});
    add_writer("check, a live lease", held(kLease), work(checks), {kBusy});
    add_writer("check, a lease that ended", held(kExpired), work(checks), {"ok"});
    add_writer("check, a dead owner", left_owned(0), work(checks), {"ok"});
    add_writer("check, a dead owner with a lease", left_owned(kLease), work(checks),
               outcomes({"ok"}, {kBusy}));
    add_writer("check, then acquire", left_owned(0), work([](Struck& file) {
                 checks(file);
                 acquires(kLease)(file);
               }),
               outcomes({"ok"}, {"ok", kBusy}), kBusy);
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
    const Kept keeper = made()(path_);
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

namespace {

// `act` with the moments of a system call each.
Work calls(const Work& act, bool nameless = true) {
  return [act, nameless](const fs::path& path) {
    const harness::ScopedBeforeCall scope([nameless](const char* call) {
      // A file system that does not know files without a name.
      if (!nameless && std::string_view(call) == "openat(O_TMPFILE)") return EOPNOTSUPP;
      return Moments::pass(call);
    });
    Moments::begin();
    return act(path);
  };
}

ShmFileOptions recovering(const ShmSnapshot& triple, TxnId next_txn_id, int& calls) {
  return {.recover = [=, &calls]() -> std::expected<DurableState, ShmError> {
    ++calls;
    return DurableState{triple.commit_seq, triple.schema_epoch, triple.ecs_epoch, next_txn_id};
  }};
}

Kept kept(std::expected<ShmFile, ShmError>&& file) {
  return std::make_shared<const std::expected<ShmFile, ShmError>>(std::move(file));
}

// A file that nobody has open.
Kept left_alone(const fs::path& path) {
  auto file = opened(ShmFile::create(path));
  publish(file, kOld);
  acquire(file, 3, kLease);
  return nullptr;
}

}  // namespace

std::vector<Operation> file_operations() {
  std::vector<Operation> all;
  const auto recover = [](const fs::path& path) {
    int times = 0;
    return kept(ShmFile::open_or_create(path, recovering(triple_of(kNew), id_of(1), times)));
  };
  const Work nothing = [](const fs::path&) { return Kept(); };
  const Work damaged = [](const fs::path& path) {
    left_alone(path);
    std::fstream(path, std::ios::in | std::ios::out | std::ios::binary)
        .seekp(static_cast<std::streamoff>(offsets::kLayoutChecksum))
        .put('\1');
    return Kept();
  };
  const auto creates = [](const fs::path& path) { return kept(ShmFile::create(path)); };
  const auto removes = [](const fs::path& path) {
    static_cast<void>(ShmFile::remove(path));
    return Kept();
  };
  const auto add = [&all](std::string name, Work prepare, Work run, auto observe,
                          std::vector<std::string_view> outcomes,
                          std::string_view turns_after = {}) {
    all.push_back({std::move(name),
                   std::move(prepare),
                   std::move(run),
                   observe,
                   std::move(outcomes),
                   {},
                   turns_after});
  };
  for (const bool nameless : {true, false}) {
    const std::string how = nameless ? "without a name" : "under another name";
    add("creation " + how, nothing, calls(creates, nameless), file_seen, {"absent", "complete"},
        "linkat");
    add("making a damaged file anew " + how, damaged, calls(recover, nameless), file_seen,
        {"damaged", "complete"}, "renameat");
  }
  add("first open", left_alone, calls(recover), snapshot_seen<HardenedProtocol>,
      {"old", "none", "new"});
  add("removal", left_alone, calls(removes), file_seen, {"complete", "absent"});
  return all;
}

template <class Protocol>
std::string newcomer_trouble(const fs::path& path, std::uint64_t now) {
  using File = BasicShmFile<Protocol>;
  auto file = File::open_or_create(path, trusting());
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
  const auto repaired = guard->reconcile(next.commit_seq, next.schema_epoch, next.ecs_epoch);
  if (!repaired || layout.try_load_consistent_snapshot(1) != next) {
    return "reconcile does not repair";
  }
  guard.reset();

  if (check(*file, now) != Exclusion::kOk) return std::string(kBusyForEver);
  if (!acquire(*file, 9, now + 1)) return "no process can acquire";
  if (check(*file, now) != Exclusion::kBusy) return "a new owner does not exclude";
  if (!layout.release_serialized_writer(id_of(9))) return "a new owner cannot release";
  const auto errors = validate(file->header_bytes());
  return errors.empty() ? "" : errors.front().message();
}

std::string first_opener_trouble(const fs::path& path) {
  const ShmSnapshot durable = triple_of(1000);
  const auto before = read_header_bytes(path);
  const bool good = before && SharedMemoryLayout::open(*before);
  const std::uint64_t next = good ? harness::word_at(*before, Field::kNextTxnId) : 0;
  int calls = 0;
  auto file = ShmFile::open_or_create(path, recovering(durable, id_of(1000), calls));
  if (!file) return "a first opener cannot open the file: " + file.error().message();
  if (calls != 1) return fmt::format("a first opener recovers {} times", calls);
  if (file->layout().try_load_consistent_snapshot(1) != durable) {
    return "after recovery something else than the durable triple is in force";
  }
  const HeaderBytes bytes = file->header_bytes();
  for (const Field field : kWriterFields) {
    if (harness::word_at(bytes, field) != 0) return "recovery leaves an owner's words behind";
  }
  if (file->layout().alloc_txn_id() != id_of(std::max<std::uint64_t>(next, 1000))) {
    return "recovery hands out an id again, or leaves some out";
  }
  const auto errors = validate(bytes);
  return errors.empty() ? "" : errors.front().message();
}

template std::vector<Operation> header_operations<HardenedProtocol>(const fs::path&);
template std::vector<Operation> header_operations<ReferenceProtocol>(const fs::path&);
template std::string newcomer_trouble<HardenedProtocol>(const fs::path&, std::uint64_t);
template std::string newcomer_trouble<ReferenceProtocol>(const fs::path&, std::uint64_t);

}  // namespace fsqlshm::stress
