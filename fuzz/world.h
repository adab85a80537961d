// A small world of virtual processes and threads that share one header: the scheduler, and the
// properties it watches over.
//
// Between two atomic steps anything may happen: another thread runs, a process dies, time passes.
// Every interleaving is sequentially consistent, one step at a time; what weaker memory orders
// allow on top of that is the model checker's business.
//
// The properties, as they are checked here:
//   P1 exclusion    while an owner holds the indicator, no acquire returns true, and no check that
//                   began and ended meanwhile returns ok. An owner holds it from the return of its
//                   acquire to the call of its release, its death or the end of its lease.
//   P2 integrity    all that time the four words are the owner's.
//   P3 quiescence   a free indicator has no leftovers.
//   P4 crash        when everybody is dead and every lease is out, one check answers ok, an acquire
//                   and a release succeed, and a reconcile is read back.
//   P5 eviction     who lost the indicator gets false from release and writes nothing; who holds it
//                   gets true.
//   P6 progress     nobody takes more than a few dozen steps without another's write.
// And of the snapshot: a read returns a triple that was published whole, and none that was out of
// date when the read began; of the ids: unique, and in the order of the calls.

#ifndef FSQLSHM_FUZZ_WORLD_H_
#define FSQLSHM_FUZZ_WORLD_H_

#include <array>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <vector>

#include "fsqlshm/process.h"
#include "fsqlshm/types.h"
#include "fsqlshm/wire_format.h"
#include "fuzz/calls.h"
#include "fuzz/fiber.h"
#include "fuzz/schedule.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {

/// Thrown through a virtual thread whose process died.
struct Killed {};

struct WorldOptions {
  /// Publishers hold the publication lock, as they must.
  bool publication_lock = true;
  /// A free indicator has no leftovers at any step, not only when nobody is at it: invariant I3 of
  /// the hardened protocol.
  bool free_is_always_clean = true;
  /// Ignore every violation but those of this defect ("D3"); empty: ignore none.
  std::string_view only{};
};

/// What an operation on the seam does.
enum class Access : std::uint8_t { kLoad, kStore, kCompareExchange, kFetchAdd };

class World {
 public:
  /// The thread that tidies up in the end.
  static constexpr std::size_t kRecovery = kMaxThreads;

  World(const Scenario& scenario, const WorldOptions& options, std::string* trace);

  /// Performs `op` on behalf of `thread`; it calls the functions for operations below.
  using Execute = void (*)(void* context, std::size_t thread, Op op);
  /// Runs the scenario with these decisions, then the recovery.
  std::optional<Failure> run(Bytes decisions, Execute execute, void* context);

  // --- for ScheduledWords -----------------------------------------------------------------------

  /// Waits for the scheduler, then performs one access; the value before it.
  std::uint64_t load(Field field, std::source_location where);
  void store(Field field, std::uint64_t value, std::source_location where);
  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::source_location where);
  std::uint64_t fetch_add(Field field, std::uint64_t addend, std::source_location where);
  void misuse(const char* what, std::source_location where);
  [[nodiscard]] ProcessIdentity self() const noexcept { return identity(process_of(current_)); }

  // --- for operations ---------------------------------------------------------------------------

  struct Acquire {
    std::uint64_t id = 0;
    ProcessIdentity who{};
    std::uint64_t lease = 0;
  };
  [[nodiscard]] Acquire begin_acquire(bool leased);
  void end_acquire(const Acquire& acquire, bool acquired);

  /// The thread's own last id; 0 if it never tried to acquire.
  [[nodiscard]] std::uint64_t begin_release();
  void end_release(bool released);

  /// The time a check is to be made with.
  [[nodiscard]] std::uint64_t begin_check_exclusion();
  void end_check_exclusion(Exclusion exclusion);
  /// The truth about virtual processes.
  [[nodiscard]] bool alive(std::uint32_t pid, std::uint64_t birth) const noexcept;

  void begin_check();
  void end_check(std::optional<TxnId> id);

  /// Waits for the publication lock; the triple to publish.
  [[nodiscard]] ShmSnapshot begin_publish();
  void end_publish();
  void begin_read();
  void end_read(const std::optional<ShmSnapshot>& snapshot);
  void begin_alloc();
  void end_alloc(std::optional<TxnId> id);

 private:
  enum class Run : std::uint8_t { kReady, kWaitsForLock, kFinished };

  struct Thread {
    std::uint8_t process = 0;
    Run run = Run::kReady;
    bool killed = false;
    bool in_writer_op = false;      // acquire, release or a check is under way
    std::uint64_t last_id = 0;      // of its last attempt to acquire
    int steps = 0;                  // of the operation under way
    int steps_alone = 0;            // since somebody else's last write
    std::uint32_t site = 0;         // where it waits
    std::uint32_t writes = 0;       // of the operation under way
    std::uint64_t seen_tenure = 0;  // the holder when a check began, or 0
    std::uint64_t seen_number = 0;  // of the last publish or id when a read or alloc began
    bool id_was_there = false;      // when its release began
    bool held = false;              // when its release began
    std::uint64_t lease = 0;        // of its last acquire
  };

  // The owner in force.
  struct Tenure {
    std::uint64_t serial = 0;  // 0: there is none
    std::size_t thread = 0;
    std::uint64_t id = 0;
    std::uint64_t pid_and_gen = 0;
    std::uint64_t birth = 0;
    std::uint64_t lease = 0;
  };

  static constexpr int kStepsAlone = 64;  // reference's check needs 36
  static constexpr int kStepsOfWriter = 32;

  [[nodiscard]] std::uint8_t process_of(std::size_t thread) const noexcept {
    return thread == kRecovery ? std::uint8_t{4} : threads_[thread].process;
  }
  [[nodiscard]] static ProcessIdentity identity(std::uint8_t process) noexcept;

  void thread_main(std::size_t thread);
  void play(const Decision& decision);
  void run_thread(std::size_t thread, int steps);
  void kill(std::uint8_t process);
  void pass_time();
  void recover();
  [[nodiscard]] bool can_run(std::size_t thread) const noexcept;

  void wait_for_turn(std::uint32_t site);
  void before_access(Field field, std::source_location where);
  void start_op(bool writer);
  void after_write(Field field, std::uint64_t before, std::uint64_t after);
  [[nodiscard]] bool lease_is_out(std::uint64_t lease) const noexcept {
    return lease != 0 && now_ >= lease;
  }
  [[nodiscard]] bool words_are(const Tenure& tenure);
  void check_free(bool at_rest);
  void violate(std::string_view defect, std::string property, std::string detail = {});

  // Text of the interleaving, if somebody wants it.
  void note(const std::string& line);
  void note_access(Access access, Field field, std::uint64_t before, std::uint64_t after, bool done,
                   std::source_location where);
  [[nodiscard]] std::uint64_t& word(Field field) noexcept { return words_[atomic_index(field)]; }
  [[nodiscard]] std::uint64_t writer() const noexcept { return words_[kWriter]; }

  Scenario scenario_;
  WorldOptions options_;
  std::string* trace_;
  Execute execute_ = nullptr;
  void* context_ = nullptr;

  State words_{};
  std::array<Thread, kMaxThreads + 1> threads_{};
  std::array<bool, 5> process_alive_{};
  std::size_t current_ = 0;
  int budget_ = 0;
  std::uint64_t now_ = 1000;
  int step_number_ = 0;

  Tenure holder_{};
  std::uint64_t tenures_ = 0;
  std::uint64_t next_id_ = 1;

  std::size_t lock_holder_ = kMaxThreads + 1;  // nobody
  std::uint64_t publishes_begun_ = 0;
  std::uint64_t publishes_done_ = 0;
  std::uint64_t ids_handed_out_ = 0;  // the largest
  std::array<bool, 64> id_seen_{};

  // What the last operation answered, for the recovery.
  Exclusion last_exclusion_ = Exclusion::kOk;
  bool last_bool_ = false;
  std::optional<ShmSnapshot> last_snapshot_;

  std::optional<Failure> failure_;
};

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_WORLD_H_
