// One execution of a scenario under Relacy: the words, the scheduler's choices, the clocks that
// oracles ask, and what is recorded of it.
//
// Nothing of Relacy is visible here: its headers redefine `new`, `delete`, `assert` and more as
// macros, so they are included in model.cc alone.
//
// The model checker runs all threads of an execution as fibers of one thread and switches between
// them only right before an atomic operation. What is written below an operation, oracles included,
// runs in the same step as the operation.

#ifndef FSQLSHM_RELACY_MODEL_H_
#define FSQLSHM_RELACY_MODEL_H_

#include <fmt/format.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fsqlshm/process.h"
#include "fsqlshm/wire_format.h"

namespace fsqlshm::relacy {

inline constexpr int kMaxThreads = 4;
inline constexpr int kMaxProcesses = 4;

enum class Op : std::uint8_t { kLoad, kStore, kCompareExchange, kFetchAdd, kAskAlive, kDie, kNote };

/// Step::thread of what happens before the threads start and after the last one ended.
inline constexpr int kAtFirst = -1;
inline constexpr int kAtLast = -2;

/// One row of a trace.
struct Step {
  int thread = 0;
  Op op = Op::kNote;
  Field field{};
  std::memory_order order{};
  std::memory_order failure_order{};
  std::uint64_t expected = 0;  ///< compare_exchange
  std::uint64_t value = 0;     ///< stored, desired or added; the process for kAskAlive and kDie
  std::uint64_t found = 0;     ///< what a load, compare_exchange or fetch_add read
  bool success = false;        ///< compare_exchange; "alive" for kAskAlive
  std::uint32_t read = 0;      ///< the store that was read, 0: none
  std::uint32_t newest = 0;    ///< the word's newest store at that time
  std::uint32_t wrote = 0;     ///< the number of this store, 0: none
  std::source_location where{};
  std::array<char, 120> note{};
};

/// Where in the core an operation is, and the orders that the core asks for there.
struct Site {
  std::string_view file;  ///< relative to core/include/fsqlshm, or to the repository elsewhere
  std::string_view function;
  unsigned line = 0;
  Op op{};
  std::uint32_t fields = 0;  ///< bit atomic_index(field) for each field it was seen with
  std::memory_order order{};
  std::memory_order failure_order{};  ///< compare_exchange
};

/// One order at one site replaced by a weaker one.
struct Weakening {
  std::string file;
  unsigned line = 0;
  Op op{};
  bool failure = false;  ///< of a compare_exchange: the order of its failure
  std::memory_order to{};
};

/// One choice of a tree search: `index` of `limit` possibilities.
struct Choice {
  std::uint8_t limit = 0;
  std::uint8_t index = 0;
};

/// A property that did not hold.
struct Violation {
  std::string property;  ///< "P1 exclusion"
  std::string text;      ///< what happened, for a person
};

/// What is run: the threads of one execution. One object serves all executions of a run.
/// Nothing in it may allocate while an execution runs.
class Scenario {
 public:
  virtual ~Scenario() = default;
  /// Brings the ghost state back to the start and writes the words' first values: no interleaving.
  virtual void before() = 0;
  virtual void thread(int index) = 0;
  /// After the last thread has ended; sees everything, no interleaving.
  virtual void after() {}
  /// A plain store that nothing orders behind the store before it, which another thread made. The
  /// model lets the later step win; in C++ either of the two may be the last.
  virtual void unordered_store(Field /*field*/) {}
  /// A word got another value, in the step of the thread that is running.
  virtual void wrote(Field /*field*/, std::uint64_t /*old_value*/, std::uint64_t /*new_value*/) {}
};

/// Thrown out of the seam when the running thread's process dies; ends the thread.
struct Death {};

enum class Search : std::uint8_t {
  kRandom,   ///< the n-th execution is a function of n
  kBounded,  ///< all executions with at most `bound` preemptions
  kFull,     ///< all executions
};

struct RunRequest {
  Scenario* scenario = nullptr;
  int threads = 2;
  /// How many pauses of one thread are only pauses, before one lets the others go first.
  unsigned patience = 0;
  /// Bit i: thread i may stop for good before any of its operations.
  unsigned mortal = 0;
  /// The process that thread i belongs to; process kMaxThreads is the one that runs `after`.
  std::array<int, kMaxThreads> process_of_thread{0, 1, 2, 3};
  Search search = Search::kRandom;
  unsigned bound = 0;             ///< kBounded
  std::uint64_t first = 1;        ///< kRandom: number of the first execution
  std::uint64_t count = 1;        ///< executions at most
  std::vector<Choice> path{};     ///< the others: where to go on, empty: at the start
  std::uint64_t shard_index = 0;  ///< the others: this part of ...
  std::uint64_t shard_count = 1;  ///< ... so many
  std::uint64_t prefix = 0;       ///< the others: RunReport::prefix of the run to go on with
  bool record = false;            ///< keep the steps of the last execution
  bool discover = false;          ///< collect sites
  const Weakening* weakening = nullptr;
};

struct RunReport {
  bool complete = false;         ///< the search came to its end
  std::uint64_t executions = 0;  ///< that ran to their end or to the violation
  std::uint64_t last = 0;        ///< kRandom: number of the last execution
  std::vector<Choice> path;      ///< the others: of the violation, or where to go on
  std::uint64_t prefix = 0;      ///< the others: for RunRequest::prefix
  bool bad_replay = false;       ///< the path asked for does not exist
  bool violated = false;
  Violation violation;
};

class Model {
 public:
  static Model& get() noexcept;

  /// Runs executions until `count`, the end of the search or a violation.
  RunReport run(const RunRequest& request);

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
  [[nodiscard]] ProcessIdentity self() const noexcept;

  // --- For scenarios ------------------------------------------------------------------------

  /// First value of a word; only in Scenario::before.
  void init(Field field, std::uint64_t value);
  /// The process is dead from the start, and everybody knows; only in Scenario::before.
  void bury(int process);
  /// What the kernel says: false only after the process died.
  bool alive(std::uint32_t pid, std::uint64_t birth);
  [[nodiscard]] static ProcessIdentity identity(int process) noexcept;
  /// The running thread; -1 in `before` and `after`.
  [[nodiscard]] int thread() const noexcept { return phase_ == Phase::kRunning ? current() : -1; }
  [[nodiscard]] int process() const noexcept;
  [[nodiscard]] bool died(int process) const noexcept {
    return dead_[static_cast<std::size_t>(process)];
  }
  [[nodiscard]] unsigned deaths() const noexcept { return deaths_; }
  /// Operations of the running thread so far.
  [[nodiscard]] unsigned operations() const noexcept;
  /// Pauses of the running thread so far.
  [[nodiscard]] unsigned pauses() const noexcept;
  /// A choice of the scheduler: 0 to limit - 1.
  unsigned choose(unsigned limit);

  // --- For oracles: all-knowing, no step of the execution --------------------------------------

  /// The newest value of a word.
  [[nodiscard]] std::uint64_t newest(Field field) const;
  /// The number of the store that gave the word its newest value. Numbers ascend.
  [[nodiscard]] std::uint32_t newest_store(Field field) const noexcept {
    return words_[atomic_index(field)].newest;
  }
  /// The number of the store that the running thread read last from this word.
  [[nodiscard]] std::uint32_t observed(Field field) const noexcept;
  /// ... and its value.
  [[nodiscard]] std::uint64_t observed_value(Field field) const noexcept;
  /// Marks this point of the running thread; `knows` asks for it.
  std::uint64_t mark();
  /// The time of the running thread's last operation, for `knows`.
  [[nodiscard]] std::uint64_t clock() const;
  /// Whether `mark` of `thread` happens-before this point of the running thread.
  [[nodiscard]] bool knows(int thread, std::uint64_t mark) const;
  /// Ends the execution: a property does not hold.
  template <class... Args>
  [[noreturn]] void fail(std::string_view property, fmt::format_string<Args...> format,
                         Args&&... args) {
    std::array<char, 400> text;
    const auto end =
        fmt::format_to_n(text.data(), text.size(), format, std::forward<Args>(args)...).out;
    fail_with(property, std::string_view(text.data(), static_cast<std::size_t>(end - text.data())));
  }
  /// A remark in the trace.
  template <class... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    if (!recording_) return;
    Step* const step = append(Op::kNote);
    if (step == nullptr) return;
    *fmt::format_to_n(step->note.data(), step->note.size() - 1, format, std::forward<Args>(args)...)
         .out = '\0';
  }

  /// The steps of the last recorded execution.
  [[nodiscard]] const std::vector<Step>& steps() const noexcept { return steps_; }
  /// The sites that the last run with `discover` came by.
  [[nodiscard]] const std::vector<Site>& sites() const noexcept { return sites_; }

  // What Relacy calls, through model.cc.
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
    unsigned death_point = 0;
  };

  Model();
  template <int kThreads>
  void run_threads();
  [[nodiscard]] int current() const noexcept;
  [[nodiscard]] int process_of(int thread) const noexcept {
    return request_.process_of_thread[static_cast<std::size_t>(thread)];
  }
  void make(std::size_t index, std::uint64_t value);
  void enter(Field field);
  void orders(const std::source_location& where, Op op, Field field, std::memory_order& order,
              std::memory_order& failure);
  void adjust(const std::source_location& where, Op op, std::memory_order& order,
              std::memory_order& failure) const;
  void discover(const std::source_location& where, Op op, Field field, std::memory_order order,
                std::memory_order failure);
  template <class Value>
  void stored(Op op, Field field, const Value& old, const Value& now, const Step& step);
  Step* append(Op op);
  void die();
  [[noreturn]] void fail_with(std::string_view property, std::string_view text);

  RunRequest request_;
  unsigned weak_line_ = 0;
  bool recording_ = false;
  Phase phase_ = Phase::kBefore;
  std::uint64_t started_ = 0;  // executions of this run
  std::uint64_t last_ = 0;
  int result_ = 0;
  std::uint32_t stores_ = 0;
  unsigned deaths_ = 0;
  std::array<Word, kAtomicFields.size()> words_{};
  std::array<bool, kMaxProcesses + 1> dead_{};
  std::array<ThreadState, kMaxThreads> threads_{};
  std::vector<Step> steps_;
  std::vector<Site> sites_;
};

/// "hardened/seqlock.h" for a file of the core, the path below the repository elsewhere.
[[nodiscard]] std::string_view source_name(std::string_view path) noexcept;

/// The seam on Relacy's atomics. All objects stand for the words of the one execution that runs.
class RelacyWords {
 public:
  [[nodiscard]] std::uint64_t load(
      Field field, std::memory_order order,
      std::source_location where = std::source_location::current()) const {
    return Model::get().load(field, order, where);
  }
  void store(Field field, std::uint64_t value, std::memory_order order,
             std::source_location where = std::source_location::current()) {
    Model::get().store(field, value, order, where);
  }
  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order success, std::memory_order failure,
                        std::source_location where = std::source_location::current()) {
    return Model::get().compare_exchange(field, expected, desired, success, failure, where);
  }
  std::uint64_t fetch_add(Field field, std::uint64_t addend, std::memory_order order,
                          std::source_location where = std::source_location::current()) {
    return Model::get().fetch_add(field, addend, order, where);
  }
  void pause() const { Model::get().pause(); }
  [[nodiscard]] ProcessIdentity self() const noexcept { return Model::get().self(); }
};

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_MODEL_H_
