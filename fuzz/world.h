// A small world of virtual processes and threads that share one header: the scheduler, and the
// execution that the oracles of harness/properties judge.
//
// Between two atomic steps anything may happen: another thread runs, a process dies, time passes.
// Every interleaving is sequentially consistent, one step at a time; what weaker memory orders
// allow on top of that is the model checker's business.

#ifndef FSQLSHM_FUZZ_WORLD_H_
#define FSQLSHM_FUZZ_WORLD_H_

#include <array>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>

#include "fsqlshm/process.h"
#include "fsqlshm/types.h"
#include "fsqlshm/wire_format.h"
#include "fuzz/schedule.h"
#include "fuzz/target.h"
#include "harness/fiber.h"
#include "harness/intercepted_words.h"
#include "harness/plain_words.h"
#include "harness/properties/judged_header.h"
#include "harness/properties/progress.h"

namespace fsqlshm::fuzz {

/// Thrown through a virtual thread whose process died.
struct Killed {};

struct WorldOptions {
  /// Publishers hold the publication lock, as they must.
  bool publication_lock = true;
  /// What the hardened indicator promises beyond the published one (WriterOracle::Rules::strict).
  bool strict = true;
  /// Ignore every violation but those of this defect ("D3"); empty: ignore none.
  std::string_view only{};
};

class World final : public harness::Execution {
 public:
  /// The thread that tidies up in the end.
  static constexpr std::size_t kRecovery = kMaxThreads;

  World(const ScheduleInput& input, const WorldOptions& options, std::string* trace);

  /// What the words hold in the beginning: version 0 of the triple, and id 1 is next.
  [[nodiscard]] static harness::WordValues first_values() noexcept;

  /// Runs the threads with these decisions, then the recovery. `words` are those of `header`.
  std::optional<Failure> run(Bytes decisions, harness::JudgedHeader& header,
                             const harness::PlainWords& words);

  // --- for Scheduling: waits for the scheduler, then one step ------------------------------------

  void before(Field field, std::source_location where);
  [[noreturn]] void refuse_orders(std::source_location where);
  void after(harness::Access access, Field field, std::uint64_t old_value, std::uint64_t new_value,
             bool success, std::source_location where);
  [[nodiscard]] ProcessIdentity self() const noexcept { return identity(process_of(current_)); }

  // --- for oracles -------------------------------------------------------------------------------

  [[nodiscard]] int thread() const override {
    return current_ == kRecovery ? -1 : static_cast<int>(current_);
  }
  [[nodiscard]] int process() const override { return process_of(current_); }
  [[nodiscard]] std::uint64_t mark() override { return 0; }
  [[nodiscard]] std::uint64_t clock() const override { return 0; }
  [[nodiscard]] bool knows(int /*thread*/, std::uint64_t /*mark*/) const override { return true; }
  [[nodiscard]] bool alive(std::uint32_t pid, std::uint64_t birth) override;
  [[nodiscard]] bool died(int process) const override {
    return !process_alive_[static_cast<std::size_t>(process)];
  }
  [[nodiscard]] bool knows_dead(int process) const override { return died(process); }
  [[nodiscard]] unsigned operations() const override { return threads_[current_].steps; }
  [[nodiscard]] std::uint64_t newest(Field field) const override {
    return words_->values()[atomic_index(field)];
  }
  [[nodiscard]] std::uint32_t newest_store(Field /*field*/) const override { return 0; }
  [[nodiscard]] std::uint32_t observed(Field /*field*/) const override { return 0; }
  [[nodiscard]] std::uint64_t observed_value(Field field) const override {
    return threads_[current_].observed[atomic_index(field)];
  }
  void violated(const harness::Violation& violation) override;
  void remark(std::string_view text) override;

 private:
  enum class Run : std::uint8_t { kReady, kWaitsForLock, kFinished };

  struct Thread {
    std::uint8_t process = 0;
    Run run = Run::kReady;
    bool killed = false;
    bool in_writer_op = false;  // acquire, release, clear or a check is under way
    std::uint64_t last_id = 0;  // of its last attempt to acquire
    unsigned steps = 0;
    unsigned first_step = 0;  // of the operation under way
    std::uint32_t site = 0;   // where it waits
    harness::WordValues observed{};
  };

  static constexpr std::size_t kNobody = kMaxThreads + 1;

  [[nodiscard]] std::uint8_t process_of(std::size_t thread) const noexcept {
    return thread == kRecovery ? std::uint8_t{4} : threads_[thread].process;
  }
  [[nodiscard]] static ProcessIdentity identity(std::uint8_t process) noexcept;

  void thread_main(std::size_t thread);
  void perform(Op op);
  void acquire(Thread& thread, std::uint64_t lease);
  void check_exclusion(harness::Liveness liveness);
  void clear();
  void read_snapshot(const Thread& thread);
  void publish(Thread& thread, bool reconcile);
  void play(const Decision& decision);
  void run_thread(std::size_t thread, int steps);
  void kill(std::uint8_t process);
  void pass_time();
  void recover();
  void expect(bool holds, std::string_view rule);
  [[nodiscard]] bool can_run(std::size_t thread) const noexcept;
  void wait_for_turn(std::uint32_t site);
  void note(std::string_view line, bool of_thread = true);

  ScheduleInput input_;
  WorldOptions options_;
  std::string* trace_;
  const harness::PlainWords* words_ = nullptr;
  harness::JudgedHeader* header_ = nullptr;

  std::array<Thread, kMaxThreads + 1> threads_{};
  std::array<bool, 5> process_alive_{};
  std::size_t current_ = 0;
  int budget_ = 0;
  std::uint64_t now_ = 1000;
  std::uint64_t next_id_ = 1;
  std::size_t lock_holder_ = kNobody;
  unsigned publishes_ = 0;

  harness::ProgressOracle progress_{*this};

  // What the last operation answered, for the recovery.
  bool last_bool_ = false;
  std::optional<ShmSnapshot> last_snapshot_;

  std::optional<Failure> failure_;
};

/// Every step waits for the scheduler's decision. The world gets values: for a step whose address is
/// passed on, AddressSanitizer makes a frame each time. Inline, so that nothing is left of a check
/// of orders that are constants.
struct Scheduling {
  World* world;
  [[gnu::always_inline]] void before(const harness::AtomicStep& step) const {
    world->before(step.field, step.where);
    if (!harness::legal_orders(step)) world->refuse_orders(step.where);
  }
  [[gnu::always_inline]] void after(const harness::AtomicStep& step,
                                    const harness::StepEffect& effect) const {
    world->after(step.access, step.field, effect.before, effect.after, effect.success, step.where);
  }
  void paused() const noexcept {}  // the scheduler decides anyway
  [[nodiscard]] ProcessIdentity self() const noexcept { return world->self(); }
};
using ScheduledWords = harness::InterceptedWords<harness::PlainWords, Scheduling>;
static_assert(Words<ScheduledWords>);

/// Runs `input` on `Protocol`.
template <class Protocol>
std::optional<Failure> simulate(Bytes input, const WorldOptions& options,
                                std::string* trace = nullptr) {
  World world(decode_schedule(input), options, trace);
  harness::HeaderOf<harness::JudgedHeader, ScheduledWords, Protocol> header(
      world, ScheduledWords(harness::PlainWords(World::first_values()), {&world}));
  return world.run(decisions(input), header, header.words().base());
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_WORLD_H_
