// A scenario as a program for the explorer, and its graphs as the oracles see them.
//
// While graphs are explored, threads run without oracles. A graph that is whole is judged: the bodies run
// once more, as fibers, in a given order of its steps, and happens-before is that of the graph.

#ifndef FSQLSHM_RELACY_RC11_EXECUTION_H_
#define FSQLSHM_RELACY_RC11_EXECUTION_H_

#include <array>
#include <csetjmp>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include "harness/fiber.h"
#include "harness/scenarios/subjects.h"
#include "relacy/rc11/explorer.h"
#include "relacy/rc11/order.h"
#include "relacy/step.h"

namespace fsqlshm::rc11 {

using harness::Header;
using harness::kMaxProcesses;
using harness::Scenario;
using relacy::Op;
using relacy::Step;
using Violation = harness::FoundViolation;
using relacy::Weakening;

/// How much of an execution a graph is.
enum class Extent : std::uint8_t {
  kWhole,    ///< all threads have ended
  kStuck,    ///< the others wait in vain
  kEndless,  ///< a thread runs on and on
  kPart,     ///< what comes up to a violation
};

class GraphExecution final : public harness::ScenarioExecution, public Memory {
 public:
  explicit GraphExecution(const Scenario& scenario, const Weakening* weakening = nullptr);

  /// Makes the program of the scenario. `header` works on this execution. What is wrong, if the scenario
  /// has no program.
  [[nodiscard]] std::optional<Violation> prepare(Header& header);
  [[nodiscard]] const Program& program() const noexcept { return program_; }

  /// Runs the steps with oracles. `record`: see steps().
  [[nodiscard]] std::optional<Violation> judge(const Graph& graph, const Steps& order,
                                               Extent extent, bool record = false);
  /// Steps that ran before the violation, or all.
  [[nodiscard]] std::size_t judged_steps() const noexcept { return at_; }
  /// Of the last recorded execution.
  [[nodiscard]] const std::vector<Step>& steps() const noexcept { return recorded_; }

  /// Whether what was to be weakened was there, if anything was.
  [[nodiscard]] bool weakened() const noexcept { return weakening_.met(); }

  // --- The seam (see GraphWords) ------------------------------------------------------------------

  std::uint64_t access(Op op, Field field, Operation operation, const std::source_location& where);
  void pause() override;
  [[nodiscard]] ProcessIdentity self() const noexcept { return identity(process()); }

  // --- harness::ScenarioExecution -------------------------------------------------------------------

  void init(Field field, std::uint64_t value) override;
  void bury(int process) override;
  [[nodiscard]] unsigned deaths() const override { return deaths_; }
  [[nodiscard]] unsigned pauses() const override { return mine().pauses; }
  [[nodiscard]] std::uint64_t observed_value(Field field) const override;
  void lock_publication() override;
  void unlock_publication() override;
  [[nodiscard]] int thread() const override { return current_; }
  [[nodiscard]] int process() const override;
  [[nodiscard]] std::uint64_t mark() override { return clock() + 1; }
  [[nodiscard]] std::uint64_t clock() const override;
  [[nodiscard]] bool knows(int thread, std::uint64_t mark) const override;
  [[nodiscard]] bool alive(std::uint32_t pid, std::uint64_t birth) override;
  [[nodiscard]] bool died(int process) const override;
  [[nodiscard]] bool knows_dead(int process) const override;
  [[nodiscard]] unsigned operations() const override { return mine().operations; }
  [[nodiscard]] std::uint64_t newest(Field field) const override;
  [[nodiscard]] std::uint32_t newest_store(Field field) const override;
  [[nodiscard]] bool must_find_newest(Field field) const override;
  [[nodiscard]] std::uint32_t observed(Field field) const override;
  void violated(const harness::Violation& violation) override;
  void remark(std::string_view text) override;

 private:
  enum class Phase : std::uint8_t { kBefore, kRunning, kAfter };
  static constexpr unsigned kMostAside = 1000;  // operations of `before` and `after`

  struct Word {
    bool made = false;
    std::uint64_t value = 0;   // the newest
    std::size_t position = 0;  // of the newest store, in modification order
    std::uint32_t shown = 0;   // its number in a trace
    std::uint32_t first = 0;   // the number of what was there when the threads started
  };
  struct Seen {
    std::size_t position = 0;
    std::uint64_t value = 0;
  };
  struct ThreadState {
    std::size_t events = 0;  // that it has had
    unsigned operations = 0;
    unsigned pauses = 0;
    // Of the operation that is under way, for a trace.
    Op op = Op::kNote;
    Field field{};
    std::source_location where{};
    std::array<Seen, kAtomicFields.size()> observed{};
  };
  struct DeathOf {
    bool happened = false;
    int thread = -1;  // -1: dead from the start
    std::size_t event = 0;
  };

  std::uint64_t perform(const Operation& operation) override;
  // The last is that of `before` and `after`.
  [[nodiscard]] std::size_t index() const {
    return current_ < 0 ? kMaxThreads : static_cast<std::size_t>(current_);
  }
  [[nodiscard]] ThreadState& mine() { return states_[index()]; }
  [[nodiscard]] const ThreadState& mine() const { return states_[index()]; }
  [[nodiscard]] Clock known() const;
  void stop() override;
  void run_before();
  void run_steps();
  void run_step(EventId step);
  void run_after(Extent extent);
  void die(EventId step);
  std::uint64_t aside(const Operation& operation);
  void wrote(EventId id);
  [[nodiscard]] bool behind_the_one_before(EventId id) const;
  void record_access(const Operation& operation, std::uint64_t found, std::uint32_t read,
                     std::uint32_t wrote);
  Step* append(Op op);
  [[nodiscard]] std::uint32_t shown_number(Location location, EventId id) const;

  const Scenario& scenario_;
  Header* header_ = nullptr;
  Program program_;
  relacy::OrderWeakening weakening_;
  Phase phase_ = Phase::kBefore;
  int current_ = -1;
  Memory* memory_ = nullptr;  // of the thread that runs
  const Graph* graph_ = nullptr;
  const Steps* order_ = nullptr;
  std::size_t at_ = 0;        // of *order_: what comes next
  std::uint32_t asides_ = 0;  // operations so far
  unsigned deaths_ = 0;
  std::array<Word, kMaxLocations> words_{};
  std::array<ThreadState, kMaxThreads + 1> states_{};
  std::array<DeathOf, kMaxProcesses + 1> deaths_of_{};
  std::array<std::unique_ptr<harness::Fiber>, kMaxThreads> fibers_;
  std::jmp_buf leave_{};
  std::optional<Violation> violation_;
  std::vector<Step> recorded_;
};

/// The seam on the words of a graph.
class GraphWords {
 public:
  explicit GraphWords(GraphExecution& execution) : execution_(&execution) {}

  [[nodiscard]] std::uint64_t load(
      Field field, std::memory_order order,
      std::source_location where = std::source_location::current()) const {
    return execution_->access(Op::kLoad, field, {.access = Access::kLoad, .order = order}, where);
  }
  void store(Field field, std::uint64_t value, std::memory_order order,
             std::source_location where = std::source_location::current()) {
    execution_->access(Op::kStore, field,
                       {.access = Access::kStore, .order = order, .operand = value}, where);
  }
  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order success, std::memory_order failure,
                        std::source_location where = std::source_location::current()) {
    const std::uint64_t wanted = expected;
    expected = execution_->access(Op::kCompareExchange, field,
                                  {.access = Access::kCompareExchange,
                                   .order = success,
                                   .failure = failure,
                                   .expected = wanted,
                                   .operand = desired},
                                  where);
    return expected == wanted;
  }
  std::uint64_t fetch_add(Field field, std::uint64_t addend, std::memory_order order,
                          std::source_location where = std::source_location::current()) {
    return execution_->access(Op::kFetchAdd, field,
                              {.access = Access::kFetchAdd, .order = order, .operand = addend},
                              where);
  }
  void pause() const { execution_->pause(); }
  [[nodiscard]] ProcessIdentity self() const noexcept { return execution_->self(); }

 private:
  GraphExecution* execution_;
};

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_EXECUTION_H_
