// A role: what the threads of one kind do in every worker. Each is one file in roles/, which adds it
// to the table of roles; options, counts and what a run must reach follow from the table.

#ifndef FSQLSHM_STRESS_ROLE_H_
#define FSQLSHM_STRESS_ROLE_H_

#include <sched.h>

#include <array>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "fsqlshm/process.h"
#include "fsqlshm/shm_file.h"
#include "harness/intercepted_words.h"
#include "harness/random.h"
#include "stress/control_block.h"
#include "stress/subject_file.h"

namespace fsqlshm::stress {

using harness::mix;
using harness::Random;

/// Before one operation in `one_in` the thread yields, or sleeps for up to 100 us.
struct Perturbation {
  static inline thread_local Random random{0};
  static inline thread_local std::uint64_t one_in = 0;  // 0: never

  static void before(const harness::AtomicStep& /*step*/) {
    if (one_in == 0 || !random.one_in(one_in)) return;
    if (random.one_in(4)) {
      std::this_thread::sleep_for(std::chrono::microseconds(1 + random.below(100)));
    } else {
      ::sched_yield();
    }
  }
};
using PerturbedWords = harness::InterceptedWords<MappedWords, Perturbation>;
static_assert(Words<PerturbedWords>);

template <class File>
class RoleThread;

template <class Protocol>
using PlainFile = BasicShmFile<Protocol>;
template <class Protocol>
using PerturbedFile = BasicShmFile<Protocol, PerturbedWords>;

/// The life of a thread, for each kind of file that a worker may have; null if its role is not about that kind.
template <class... Files>
using LivesOf = std::tuple<void (*)(RoleThread<Files>&)...>;
using Lives = LivesOf<PlainFile<HardenedProtocol>, PerturbedFile<HardenedProtocol>,
                      PlainFile<ReferenceProtocol>, PerturbedFile<ReferenceProtocol>, SubjectFile>;

/// A run in which this count stayed zero proves nothing about its role.
struct Want {
  std::string_view count;
  std::string_view with{};  ///< only if this role has threads too
  std::uint64_t kills = 0;  ///< only after so many kills
  std::uint64_t stops = 0;  ///< only after so many stops
  bool perturbed = false;   ///< only if the timing is disturbed
};

struct Role {
  std::string name{};                      ///< "reader": the option is --readers
  std::string does{};                      ///< "read snapshots and check each", for --help
  unsigned threads = 1;                    ///< in each worker, if the option does not say otherwise
  std::vector<std::string_view> counts{};  ///< in documents; a turn counts by their index
  std::vector<Want> wants{};
  bool takes_ids = false;  ///< a thread that is killed may lose one transaction id
  Lives lives{};           ///< set by `role`

  /// Whether it works on the header alone, and so on a subject, which has no file.
  [[nodiscard]] bool takes_subjects() const {
    return std::get<void (*)(RoleThread<SubjectFile>&)>(lives) != nullptr;
  }
  /// "--readers"
  [[nodiscard]] std::string option() const;
};

/// All roles of the program, by name.
[[nodiscard]] std::vector<Role> all_roles();
/// For the initialiser of a variable in a role's file.
bool add_role(Role role);

/// What to plant in a worker, to see that the runner finds it.
enum class Plant : std::uint8_t {
  kNone,
  kDataRace,
  kCrash,
  kHang,
  kViolation,
  kNoTurn,  ///< threads of a process do not wait for each other before they take the publication lock
  kReconcile,  ///< a guard needs a reconcile now and then, although nobody died
  kKeepsLock,  ///< a publisher never releases the publication lock
};

struct WorkerConfig {
  bool reference = false;
  const SubjectGround* subject =
      nullptr;  ///< if it is set, attacked in the place of a file of ours
  std::filesystem::path file;
  std::filesystem::path reports;  ///< where TSan writes to; its pid is appended
  std::vector<Role> roles = all_roles();
  std::uint64_t seed = 0;
  std::uint64_t publish_rate = 10'000;  ///< a second, of all publishers together; 0: no limit
  std::uint64_t perturb = 128;          ///< disturb one operation in so many; 0: none
  bool check_reads = true;              ///< false: readers only read, to measure what checks cost
  Plant plant = Plant::kNone;

  /// By name. REQUIRES: there is such a role.
  [[nodiscard]] const Role& role(std::string_view name) const;
  /// Sets the number of threads of these roles, and of all others to none.
  void only(std::initializer_list<std::pair<std::string_view, unsigned>> threads);
  /// Sets the number of threads to none of all roles that need a file.
  void only_of_the_header();
  /// The role of each thread of a worker.
  [[nodiscard]] std::vector<const Role*> threads() const;
  /// A count over all threads of all workers.
  [[nodiscard]] std::uint64_t total(const ControlBlock& control, std::string_view count) const;
};

/// Which thread of which process.
struct ThreadName {
  std::uint64_t worker = 0;
  std::uint64_t incarnation = 0;
  std::uint64_t thread = 0;
};

/// What a turn has at hand. A role is a class, of which each thread makes one object and calls it
/// again and again with its RoleThread: `void operator()(auto& me)`. A turn should be short, so that
/// a run ends soon after it is told to. A role that uses more than the header and the publication lock says
/// `static constexpr bool kNeedsFile = true;`.
template <class FileOf>
class RoleThread {
 public:
  using File = FileOf;

  RoleThread(const WorkerConfig& configuration, ControlBlock& control_block, const File& mapped,
             const ThreadName& name)
      : config(configuration),
        control(control_block),
        file(mapped),
        layout(mapped.layout()),
        random(mix(configuration.seed) ^
               mix(name.worker << 40 | name.thread << 32 | name.incarnation)),
        self(mapped.identity()),
        name_(name),
        state_(control_block.threads[name.worker][name.thread]) {}

  const WorkerConfig& config;
  ControlBlock& control;  ///< the expected state, see its logs
  const File& file;
  typename File::Layout layout;
  Random random;         ///< follows from the run's seed
  ProcessIdentity self;  ///< this open of the file

  [[nodiscard]] const ThreadName& name() const { return name_; }
  [[nodiscard]] bool stopped() const { return control.stop.load(std::memory_order_relaxed) != 0; }
  /// Seconds of the clock by which leases are judged.
  [[nodiscard]] std::uint64_t clock() const { return control.clock.at(now_ns()); }

  /// Adds to one of the role's counts, by its index.
  void count(std::size_t which, std::uint64_t amount = 1) { state_.count(which, amount); }
  /// For the last events in a report. REQUIRES: `what` is a literal.
  void record(const char* what, std::uint64_t a = 0, std::uint64_t b = 0) {
    state_.events.record(what, a, b);
  }
  /// Reports, and ends the run, so that the last events are those that led here. REQUIRES: `check`
  /// is static.
  void violation(const Check& check, const std::array<std::uint64_t, 4>& values = {}) {
    control.violations.report(
        {&check, name_.worker, name_.incarnation, name_.thread, now_ns(), values});
    control.stop.store(1);
  }

 private:
  ThreadName name_;
  ThreadState& state_;
};

inline void sleep_ns(std::uint64_t ns) {
  std::this_thread::sleep_for(std::chrono::nanoseconds(ns));
}

/// A process in which another thread execs gets no new threads (EAGAIN), and ends soon.
template <class Body>
std::thread start_thread(const Body& body) {
  while (true) {
    try {
      return std::thread(body);
    } catch (const std::system_error&) {
      sleep_ns(1'000'000);
    }
  }
}

template <class Turn, class File>
void live(RoleThread<File>& me) {
  Perturbation::random = Random(me.random.next());
  Perturbation::one_in = me.config.perturb;
  me.record("started", me.name().incarnation);
  Turn turn;
  while (!me.stopped()) {
    if (harness::LastWords* const words = harness::LastWords::mine()) words->doing();
    turn(me);
  }
}

template <class Turn, class File>
constexpr bool kFits = !std::same_as<File, SubjectFile> || !requires { requires Turn::kNeedsFile; };

/// The role of `Turn`.
template <std::default_initializable Turn>
[[nodiscard]] Role role(Role description) {
  const auto set = []<class File>(void (*&life)(RoleThread<File>&)) {
    if constexpr (kFits<Turn, File>) life = live<Turn, File>;
  };
  std::apply([&](auto&... lives) { (set(lives), ...); }, description.lives);
  return description;
}

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_ROLE_H_
