// One execution of a scenario on a subject's machine code, and the oracles' view of it.
//
// Threads are fibers. A thread runs until it stands before an access to the header, or before a call of
// an operation; there it is chosen who goes on. What follows an access up to the next stop, oracles
// included, belongs to the same step.

#ifndef FSQLSHM_STRESS_STEP_EXECUTION_H_
#define FSQLSHM_STRESS_STEP_EXECUTION_H_

#include <array>
#include <csetjmp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "harness/fiber.h"
#include "harness/scenarios/scenario.h"
#include "stress/step/choices.h"
#include "stress/step/machine.h"

namespace fsqlshm::step {

using harness::Header;
using harness::kMaxProcesses;
using harness::kMaxThreads;
using harness::Scenario;

/// One row of a trace.
struct Step {
  enum class Kind : std::uint8_t { kAccess, kAskAlive, kDie, kNote };
  int thread = 0;  ///< -1: before the threads start; -2: after the last one ended
  Kind kind = Kind::kNote;
  const Instruction* instruction = nullptr;
  std::size_t offset = 0;  ///< of the word in the header, in bytes
  bool read = false;
  bool written = false;
  std::uint64_t before = 0;  ///< the word's value; the process for kAskAlive and kDie
  std::uint64_t after = 0;   ///< "alive" for kAskAlive
  std::uint64_t asked = 0;   ///< kAskAlive: the birth
  std::string note{};
};

using Violation = harness::FoundViolation;

enum class Outcome : std::uint8_t {
  kComplete,
  kCut,       ///< a state that was met before
  kViolated,  ///< see violation()
  kRefused,   ///< see refusal()
};

/// What oracles and bodies call, and what the machine calls.
class SteppedExecution final : public harness::ScenarioExecution, public Watcher {
 public:
  SteppedExecution(const harness::Subject& subject, Machine& machine, Choices& choices);

  /// Runs the threads once. `preemptions`: at most so many.
  Outcome run(const Scenario& scenario, Header& header, unsigned preemptions, bool record);

  [[nodiscard]] const Violation& violation() const noexcept { return violation_; }
  [[nodiscard]] const std::string& refusal() const noexcept { return refusal_; }
  [[nodiscard]] const std::vector<Step>& steps() const noexcept { return steps_; }
  /// Accesses to the header, and deaths, of all executions so far.
  [[nodiscard]] std::uint64_t all_accesses() const noexcept { return all_accesses_; }
  [[nodiscard]] std::uint64_t all_deaths() const noexcept { return all_deaths_; }

  // --- For the operations of a header ---------------------------------------------------------

  /// Around a call of the subject.
  void call_begins();
  void call_ends();
  /// A subject without a bounded attempt: the call that is under way ends where it would repeat a step.
  [[nodiscard]] std::jmp_buf& end_of_attempt() { return mine().attempt; }
  void only_one_attempt(bool one) { mine().one_attempt = one; }
  /// From inside of a call: the subject asks.
  bool asked(std::uint32_t pid, std::uint64_t birth);
  [[nodiscard]] Machine& machine() noexcept { return machine_; }

  // --- harness::ScenarioExecution ---------------------------------------------------------------

  void init(Field field, std::uint64_t value) override;
  void bury(int process) override { dead_[static_cast<std::size_t>(process)] = true; }
  [[nodiscard]] unsigned deaths() const override { return deaths_; }
  [[nodiscard]] unsigned pauses() const override { return mine().pauses; }
  [[nodiscard]] std::uint64_t observed_value(Field field) const override {
    return mine().observed[atomic_index(field)];
  }
  void lock_publication() override;
  void unlock_publication() override { lock_holder_ = -1; }
  [[nodiscard]] int thread() const override { return phase_ == Phase::kRunning ? current_ : -1; }
  [[nodiscard]] int process() const override;
  [[nodiscard]] std::uint64_t mark() override { return 0; }
  [[nodiscard]] std::uint64_t clock() const override { return 0; }
  [[nodiscard]] bool knows(int, std::uint64_t) const override { return true; }
  [[nodiscard]] bool alive(std::uint32_t pid, std::uint64_t birth) override;
  [[nodiscard]] bool died(int process) const override {
    return dead_[static_cast<std::size_t>(process)];
  }
  [[nodiscard]] bool knows_dead(int process) const override { return died(process); }
  [[nodiscard]] unsigned operations() const override { return mine().accesses; }
  [[nodiscard]] std::uint64_t newest(Field field) const override;
  [[nodiscard]] std::uint32_t newest_store(Field) const override { return 0; }
  [[nodiscard]] std::uint32_t observed(Field) const override { return 0; }
  void before_call() override;
  void violated(const harness::Violation& violation) override;
  void remark(std::string_view text) override;

  // --- Watcher ----------------------------------------------------------------------------------

  void before_access(const Instruction& instruction, std::size_t offset, bool second,
                     const LocalState& state) override;
  [[nodiscard]] bool is_constant(const Instruction& instruction, std::size_t offset) override;
  [[noreturn]] void refused(const Instruction& instruction, std::string_view why) override;
  [[noreturn]] void crashed(std::uintptr_t address, std::string_view what) override;

 private:
  enum class Phase : std::uint8_t { kBefore, kRunning, kAfter };
  static constexpr int kAside = kMaxThreads;  // the thread of `before` and `after`
  static constexpr unsigned kMostSteps = 1000;
  static constexpr unsigned kMostRepeats = 64;

  // An instruction that a call has come by.
  struct Visit {
    const Instruction* instruction;
    bool second;
    unsigned count;
    std::uint64_t version;  // of the words, at the last visit
    std::uint64_t local;    // the thread's own state at the last visit
  };

  struct Thread {
    harness::Fiber fiber{};
    bool ended = false;
    bool wants_lock = false;
    bool in_call = false;
    bool first_in_call = false;
    bool one_attempt = false;
    bool stuck = false;  // its wait can only be ended by another's write
    bool waits = false;  // it repeats itself since words_version_ == waits_since
    std::uint64_t waits_since = 0;
    unsigned accesses = 0;
    unsigned in_this_call = 0;
    unsigned pauses = 0;
    unsigned most_repeats = 0;  // of any instruction in this call
    unsigned death_point = 0;
    std::uint64_t history = 0;  // of all that it has read
    std::array<std::uint64_t, kAtomicFields.size()> observed{};
    std::vector<Visit> visits{};
    std::jmp_buf attempt{};
  };

  // An access that was allowed, and whose effect is still to be told.
  struct Pending {
    bool there = false;
    const Instruction* instruction = nullptr;
    std::size_t word = 0;  // its offset in bytes
    bool writes = false;
    std::uint64_t before = 0;
    std::size_t row = 0;
  };

  [[nodiscard]] const Thread& mine() const { return *threads_[static_cast<std::size_t>(current_)]; }
  [[nodiscard]] Thread& mine() { return *threads_[static_cast<std::size_t>(current_)]; }
  void reset(const Scenario& scenario, Header& header, unsigned preemptions, bool record);
  void run_aside(const harness::Body& body);
  void run_threads();
  [[nodiscard]] bool can_run(int thread) const;
  bool choose_next();
  [[nodiscard]] std::size_t candidates(std::array<int, kMaxThreads>& found) const;
  [[nodiscard]] unsigned choose(std::size_t count, bool stays);
  void give_way();
  void may_die();
  void settle();
  bool note_repeat(const Instruction& instruction, bool second, const LocalState& state);
  [[nodiscard]] std::uint64_t local_state(const LocalState& state) const;
  [[nodiscard]] std::uint64_t state_key() const;
  [[nodiscard]] std::uint64_t word_at(std::size_t offset) const;
  void end_with(Outcome outcome);
  Step* append(Step::Kind kind);
  void learn(std::uint64_t value);

  const harness::Subject& subject_;
  Machine& machine_;
  Choices& choices_;
  const Scenario* scenario_ = nullptr;
  Header* header_ = nullptr;
  std::array<std::unique_ptr<Thread>, kMaxThreads + 1> threads_;
  std::array<int, 512> field_at_{};  // by word of the header: index in kAtomicFields, or -1
  Phase phase_ = Phase::kBefore;
  int current_ = kAside;
  int next_ = -1;
  bool just_chosen_ = false;  // the running thread has done nothing since
  int lock_holder_ = -1;
  unsigned preemptions_left_ = 0;
  unsigned deaths_ = 0;
  std::array<bool, kMaxProcesses + 1> dead_{};
  std::uint64_t version_ = 0;  // of the words
  Pending pending_;
  Outcome outcome_ = Outcome::kComplete;
  Violation violation_;
  std::string refusal_;
  std::vector<Step> steps_;
  std::vector<std::byte> first_;  // a header, before Scenario::before
  bool constants_read_ = false;   // several words at once, which none may write then
  bool others_written_ = false;   // words of the header that are none of the ten
  std::uint64_t all_accesses_ = 0;
  std::uint64_t all_deaths_ = 0;
};

}  // namespace fsqlshm::step

#endif  // FSQLSHM_STRESS_STEP_EXECUTION_H_
