// One execution of a scenario under Relacy: the words, the scheduler's choices, the clocks that
// oracles ask, and what is recorded of it.
//
// Nothing of Relacy is visible here: its headers redefine `new`, `delete`, `assert` and more as
// macros, so they are included in checker.cc alone.
//
// The model checker runs all threads of an execution as fibers of one thread and switches between
// them only right before an atomic operation. What is written below an operation, oracles included,
// runs in the same step as the operation.

#ifndef FSQLSHM_RELACY_CHECKER_H_
#define FSQLSHM_RELACY_CHECKER_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string_view>
#include <vector>

#include "fsqlshm/process.h"
#include "fsqlshm/wire_format.h"
#include "harness/scenarios/execution.h"
#include "harness/scenarios/scenario.h"
#include "harness/scenarios/search.h"
#include "step.h"

namespace fsqlshm::relacy {

using harness::Header;
using harness::kBadScenario;
using harness::Scenario;

using harness::Choice;
using harness::Search;
using Budget = harness::SearchBudget;
using Violation = harness::FoundViolation;

/// Where a bounded or full search is.
struct Position {
  std::vector<Choice> path{};  ///< empty: at the start; after a violation: its choices
  std::uint64_t prefix = 0;    ///< how many prefixes of choices came before this one
};

/// What is kept of a run, for Checker::steps and Checker::sites.
enum class Keep : std::uint8_t { kNothing, kStepsOfLast, kSites };

struct RunReport {
  bool complete = false;         ///< the search came to its end
  std::uint64_t executions = 0;  ///< that ran to their end or to the violation
  std::uint64_t last = 0;        ///< kRandom: number of the last execution
  bool bad_replay = false;       ///< the path asked for does not exist
  std::optional<Violation> violation{};
};

class Checker final : public harness::ScenarioExecution {
 public:
  static Checker& get() noexcept { return instance; }

  /// Runs executions of the scenario from `position` on, until `iterations`, the end of the search
  /// or a violation, and moves `position` there. Bounded search is with `bound` preemptions.
  RunReport run(const Scenario& scenario, Header& header, const Budget& budget, Position& position,
                Keep keep = Keep::kNothing, const Weakening* weakening = nullptr);

  /// Whether the last run came by what was to be weakened, if anything was.
  [[nodiscard]] bool weakened() const noexcept { return weakening_.met(); }

  // --- The seam (see RelacyWords) -----------------------------------------------------------

  std::uint64_t load(Field field, std::memory_order order, const std::source_location& where);
  void store(Field field, std::uint64_t value, std::memory_order order,
             const std::source_location& where);
  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order success, std::memory_order failure,
                        const std::source_location& where);
  std::uint64_t fetch_add(Field field, std::uint64_t addend, std::memory_order order,
                          const std::source_location& where);
  void pause();
  [[nodiscard]] ProcessIdentity self() const noexcept { return identity(process()); }

  // --- For scenarios ------------------------------------------------------------------------

  void init(Field field, std::uint64_t value) override;
  void bury(int process) override;
  [[nodiscard]] unsigned deaths() const noexcept override { return deaths_; }
  [[nodiscard]] unsigned pauses() const noexcept override { return state().pauses; }
  [[nodiscard]] std::uint64_t observed_value(Field field) const noexcept override;
  void lock_publication() override;
  void unlock_publication() override;

  // --- For oracles: all-knowing, no step of the execution ------------------------------------

  [[nodiscard]] int thread() const noexcept override {
    return phase_ == Phase::kRunning ? current() : -1;
  }
  [[nodiscard]] int process() const noexcept override;
  [[nodiscard]] std::uint64_t mark() override;
  [[nodiscard]] std::uint64_t clock() const override;
  [[nodiscard]] bool knows(int thread, std::uint64_t mark) const override;
  [[nodiscard]] bool alive(std::uint32_t pid, std::uint64_t birth) override;
  [[nodiscard]] bool died(int process) const noexcept override { return death(process).happened; }
  [[nodiscard]] bool knows_dead(int process) const override;
  [[nodiscard]] unsigned operations() const noexcept override { return state().operations; }
  [[nodiscard]] std::uint64_t newest(Field field) const override;
  [[nodiscard]] std::uint32_t newest_store(Field field) const noexcept override {
    return words_[atomic_index(field)].newest;
  }
  [[nodiscard]] std::uint32_t observed(Field field) const noexcept override;
  void violated(const harness::Violation& violation) override { fail_with(violation); }
  void remark(std::string_view text) override;

  /// The steps of the last recorded execution.
  [[nodiscard]] const std::vector<Step>& steps() const noexcept { return steps_; }
  /// The sites that the last run with `discover` came by.
  [[nodiscard]] const std::vector<Site>& sites() const noexcept { return sites_; }

  // What Relacy calls, through checker.cc.
  void execution_begins();
  void thread_runs(int index);
  void execution_after();
  void execution_ends();

 private:
  enum class Phase : std::uint8_t { kBefore, kRunning, kAfter };

  /// In random search a mortal thread dies before one of its first so many operations, or not.
  static constexpr unsigned kDeathPoints = 18;

  struct Word {
    std::uint32_t newest = 0;
    int writer = -1;          // the thread of the newest store
    std::uint64_t clock = 0;  // and its time
    struct Seen {
      std::uint32_t store = 0;
      std::uint64_t value = 0;
    };
    std::array<Seen, kMaxThreads> observed{};
  };

  struct ThreadState {
    unsigned operations = 0;
    unsigned pauses = 0;
    bool mortal = false;
    unsigned death_point = 0;
  };

  struct DeathOf {
    bool happened = false;
    int thread = -1;  // -1: dead from the start
    std::uint64_t clock = 0;
  };

  Checker();
  template <int kThreads>
  void run_threads();
  [[nodiscard]] RunReport report(Position& position) const;
  [[nodiscard]] int current() const noexcept;
  [[nodiscard]] const ThreadState& state() const noexcept {
    return threads_[static_cast<std::size_t>(current())];
  }
  [[nodiscard]] const DeathOf& death(int process) const noexcept {
    return deaths_of_[static_cast<std::size_t>(process)];
  }
  [[nodiscard]] int process_of(int thread) const noexcept {
    return processes_[static_cast<std::size_t>(thread)];
  }
  void make(std::size_t index, std::uint64_t value);
  void enter(Field field);
  void orders(const std::source_location& where, Op op, Field field, std::memory_order& order,
              std::memory_order& failure);
  void discover(const std::source_location& where, Op op, Field field, std::memory_order order,
                std::memory_order failure);
  template <class Value>
  void stored(Op op, Field field, const Value& old, const Value& now);
  Step* append(Op op);
  void append(const Step& step);
  void die();
  [[noreturn]] void fail_with(const harness::Violation& violation);

  static Checker instance;

  const Scenario* scenario_ = nullptr;
  Header* header_ = nullptr;
  Budget budget_;
  Keep keep_ = Keep::kNothing;
  std::array<int, kMaxThreads> processes_{};  // of each thread
  OrderWeakening weakening_;
  Phase phase_ = Phase::kBefore;
  std::uint64_t started_ = 0;  // executions of this run
  std::uint64_t last_ = 0;
  int result_ = 0;
  std::uint32_t stores_ = 0;
  unsigned deaths_ = 0;
  std::array<Word, kAtomicFields.size()> words_{};
  std::array<DeathOf, kMaxProcesses + 1> deaths_of_{};
  std::array<ThreadState, kMaxThreads> threads_{};
  std::vector<Step> steps_;
  std::vector<Site> sites_;
};

/// The seam on Relacy's atomics. All objects stand for the words of the one execution that runs.
class RelacyWords {
 public:
  [[nodiscard]] std::uint64_t load(
      Field field, std::memory_order order,
      std::source_location where = std::source_location::current()) const {
    return Checker::get().load(field, order, where);
  }
  void store(Field field, std::uint64_t value, std::memory_order order,
             std::source_location where = std::source_location::current()) {
    Checker::get().store(field, value, order, where);
  }
  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order success, std::memory_order failure,
                        std::source_location where = std::source_location::current()) {
    return Checker::get().compare_exchange(field, expected, desired, success, failure, where);
  }
  std::uint64_t fetch_add(Field field, std::uint64_t addend, std::memory_order order,
                          std::source_location where = std::source_location::current()) {
    return Checker::get().fetch_add(field, addend, order, where);
  }
  void pause() const { Checker::get().pause(); }
  [[nodiscard]] ProcessIdentity self() const noexcept { return Checker::get().self(); }
};

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_CHECKER_H_
