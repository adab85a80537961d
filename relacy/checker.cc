#include "checker.h"

#include "fsqlshm/words.h"
#include "relacy_headers.h"
#include "scenario.h"
#include "schedulers.h"

namespace fsqlshm::relacy {
namespace {

// A value and the number of the store that wrote it: tells which store a load read, also when two
// stored the same value. Relacy compares values in a compare_exchange.
struct Tagged {
  std::uint64_t value = 0;
  std::uint32_t store = 0;

  friend bool operator==(const Tagged& a, const Tagged& b) { return a.value == b.value; }
  // fetch_add: the number of the new store comes with the addend. Relacy wants the others too.
  friend Tagged operator+(Tagged a, Tagged b) { return {a.value + b.value, b.store}; }
  friend std::ostream& operator<<(std::ostream& out, const Tagged& tagged) {
    return out << tagged.value;
  }
};

using Atomic = rl::atomic<Tagged>;

constexpr std::size_t kWords = kAtomicFields.size() + kMaxProcesses;

// Relacy wants its atomics made anew in every execution, so they live in raw memory.
struct Slot {
  alignas(Atomic) std::array<std::byte, sizeof(Atomic)> memory;
};
std::array<Slot, kWords> g_slots;
std::array<bool, kWords> g_made;

Atomic& atomic(std::size_t index) {
  return *std::launder(reinterpret_cast<Atomic*>(g_slots[index].memory.data()));
}

const rl::debug_info kInfo;

static_assert(static_cast<int>(std::memory_order::relaxed) == rl::mo_relaxed &&
              static_cast<int>(std::memory_order::acquire) == rl::mo_acquire &&
              static_cast<int>(std::memory_order::release) == rl::mo_release &&
              static_cast<int>(std::memory_order::acq_rel) == rl::mo_acq_rel &&
              static_cast<int>(std::memory_order::seq_cst) == rl::mo_seq_cst);

rl::memory_order order_of(std::memory_order order) { return static_cast<rl::memory_order>(order); }

// A text kept from inside of an execution, where nothing may be allocated.
template <std::size_t kSize>
class KeptText {
 public:
  void keep(std::string_view text) { size_ += text.copy(text_.data() + size_, kSize - size_); }
  [[nodiscard]] std::string_view view() const { return {text_.data(), size_}; }
  [[nodiscard]] std::string str() const { return std::string(view()); }

 private:
  std::array<char, kSize> text_{};
  std::size_t size_ = 0;
};

struct KeptViolation {
  KeptText<64> property{};
  KeptText<512> text{};
  KeptText<8> defect{};
};
KeptViolation g_violation;

// What Relacy constructs, runs and destroys for each execution.
template <int kThreads>
struct Suite : rl::test_suite<Suite<kThreads>, kThreads> {
  Suite() = default;
  ~Suite() { Checker::get().execution_ends(); }
  void before() { Checker::get().execution_begins(); }
  void thread(unsigned index) { Checker::get().thread_runs(static_cast<int>(index)); }
  void after() { Checker::get().execution_after(); }
};

// Relacy never frees the stacks of its fibers.
std::array<void*, kMaxThreads> g_stacks{};

// Where each thread goes on when its process dies.
std::array<std::jmp_buf, kMaxThreads> g_ends;

std::ostream& nowhere() {
  static std::ostream stream(nullptr);
  return stream;
}

}  // namespace

Checker::Checker() : ScenarioExecution(false, false) {
  steps_.reserve(4096);
  sites_.reserve(256);
}

Checker Checker::instance;

int Checker::current() const noexcept { return rl::ctx().threadx_->index_; }

template <int kThreads>
void Checker::run_threads() {
  rl::test_params params;
  params.output_stream = &nowhere();
  params.progress_stream = &nowhere();
  params.execution_depth_limit = 1000;
  rl::ostringstream state;
  if (budget_.search == Search::kRandom) {
    params.search_type = rl::sched_random;
    params.iteration_count = budget_.first + budget_.iterations - 1;
    params.initial_state = rl::string(std::to_string(budget_.first));
    result_ = rl::run_test<Suite<kThreads>, RandomScheduler<kThreads>>(params, state, false);
  } else {
    params.search_type = rl::sched_bound;
    result_ = rl::run_test<Suite<kThreads>, TreeScheduler<kThreads>>(params, state, false);
  }
  last_ = params.stop_iteration;
  for (void*& stack : g_stacks) std::free(std::exchange(stack, nullptr));
}

RunReport Checker::run(const Scenario& scenario, Header& header, const Budget& budget,
                       Position& position, Keep keep, const Weakening* weakening) {
  scenario_ = &scenario;
  header_ = &header;
  budget_ = budget;
  weakening_ = OrderWeakening(weakening);
  keep_ = keep;
  for (std::size_t i = 0; i < scenario.threads.size(); ++i) {
    processes_[i] = scenario.process_of(i);
  }
  record(keep == Keep::kStepsOfLast);
  if (keep == Keep::kSites) sites_.clear();
  started_ = 0;
  g_violation = {};
  g_tree = {.budget = &budget_, .prefix = position.prefix, .path = {}};
  g_tree.path.assign(position.path.begin(), position.path.end());

  switch (scenario.threads.size()) {
    case 2:
      run_threads<2>();
      break;
    case 3:
      run_threads<3>();
      break;
    default:
      run_threads<4>();
      break;
  }
  record(false);
  return report(position);
}

RunReport Checker::report(Position& position) const {
  position.prefix = g_tree.prefix;
  position.path.assign(g_tree.path.begin(), g_tree.path.end());
  const bool clean = result_ == rl::test_result_success;
  RunReport report{.complete = clean && (budget_.search == Search::kRandom || g_tree.complete),
                   .executions = started_,
                   .last = last_,
                   .bad_replay = g_tree.bad_choice};
  if (result_ == rl::test_result_livelock) {
    report.violation = {std::string(harness::kP6),
                        "an operation did not come to its end in 1000 steps"};
  } else if (result_ == rl::test_result_user_assert_failed) {
    report.violation = {g_violation.property.str(), g_violation.text.str(),
                        g_violation.defect.str()};
  } else if (!clean) {
    report.violation = {std::string(kBadScenario),
                        fmt::format("Relacy stopped it: {}",
                                    rl::test_result_str(static_cast<rl::test_result_e>(result_)))};
  }
  return report;
}

// --- Life of an execution ---------------------------------------------------------------------

void Checker::execution_begins() {
  ++started_;
  phase_ = Phase::kBefore;
  stores_ = 0;
  deaths_ = 0;
  deaths_of_ = {};
  threads_ = {};
  g_made = {};
  if (recording()) steps_.clear();
  for (std::size_t i = 0; i < scenario_->threads.size(); ++i) {
    ThreadState& thread = threads_[i];
    thread.mortal = scenario_->threads[i].may_die;
    if (!thread.mortal) continue;
    make(kAtomicFields.size() + static_cast<std::size_t>(processes_[i]), 1);
    // In random search a point drawn beforehand, so that late deaths are as likely as early ones.
    if (budget_.search == Search::kRandom) {
      thread.death_point = 1 + rl::ctx().rand(kDeathPoints, rl::sched_type_user);
    }
  }
  scenario_->before(*header_);
}

void Checker::thread_runs(int index) {
  phase_ = Phase::kRunning;
  g_stacks[static_cast<std::size_t>(index)] = rl::ctx().threadx_->fiber_.fib.uc_stack.ss_sp;
  // No exception: to unwind would take half of the time of an execution with a death, and nothing on
  // the way has a destructor.
  // NOLINTNEXTLINE(cert-err52-cpp): the same
  if (setjmp(g_ends[static_cast<std::size_t>(index)]) == 0) {
    scenario_->threads[static_cast<std::size_t>(index)].body(*header_);
  } else {
    die();
  }
}

void Checker::execution_after() {
  phase_ = Phase::kAfter;
  if (scenario_->after) scenario_->after(*header_);
}

void Checker::execution_ends() {
  for (std::size_t i = 0; i < kWords; ++i) {
    if (g_made[i]) atomic(i).~Atomic();
    g_made[i] = false;
  }
}

void Checker::make(std::size_t index, std::uint64_t value) {
  ::new (static_cast<void*>(g_slots[index].memory.data())) Atomic(Tagged{value, ++stores_});
  g_made[index] = true;
  if (index < words_.size()) words_[index] = {.newest = stores_};
}

void Checker::init(Field field, std::uint64_t value) { make(atomic_index(field), value); }

[[noreturn, gnu::cold]] static void no_first_value(Field field) {
  Checker::get().fail(kBadScenario, "{} has no first value", field_name(field));
}

// Before an operation: may be the end of the thread. Inline, as `orders` is: they are a twentieth of
// an execution.
inline void Checker::enter(Field field) {
  if (!g_made[atomic_index(field)]) [[unlikely]]
    no_first_value(field);
  if (phase_ != Phase::kRunning) return;
  ThreadState& thread = threads_[static_cast<std::size_t>(current())];
  ++thread.operations;
  if (!thread.mortal) return;
  if (budget_.search == Search::kRandom ? thread.operations == thread.death_point
                                        : rl::ctx().rand(2, rl::sched_type_user) == 1) {
    // NOLINTNEXTLINE(cert-err52-cpp): see thread_runs
    std::longjmp(g_ends[static_cast<std::size_t>(current())], 1);
  }
}

void Checker::die() {
  const int process = process_of(current());
  const std::size_t index = kAtomicFields.size() + static_cast<std::size_t>(process);
  // A release: the kernel reports a death after the last store of the dead.
  atomic(index).store(Tagged{0, ++stores_}, rl::mo_release, kInfo);
  deaths_of_[static_cast<std::size_t>(process)] = {
      .happened = true, .thread = current(), .clock = clock()};
  ++deaths_;
  header_->writer().thread_dies();
  if (recording()) {
    if (Step* const step = append(Op::kDie)) step->value = static_cast<std::uint64_t>(process);
  }
}

void Checker::bury(int process) {
  make(kAtomicFields.size() + static_cast<std::size_t>(process), 0);
  deaths_of_[static_cast<std::size_t>(process)] = {.happened = true};
}

bool Checker::alive(std::uint32_t pid, std::uint64_t birth) {
  for (int process = 0; process < kMaxProcesses; ++process) {
    const std::size_t index = kAtomicFields.size() + static_cast<std::size_t>(process);
    const ProcessIdentity who = identity(process);
    if (who.pid != pid) continue;
    const bool known = (birth & kKnownBirth) != 0;
    bool answer = !known || who.birth == birth;
    if (known && answer && g_made[index]) {
      answer = atomic(index).load(rl::mo_acquire, kInfo).value == 1;
    }
    if (recording()) {
      if (Step* const step = append(Op::kAskAlive)) {
        step->value = static_cast<std::uint64_t>(process);
        step->expected = birth;
        step->success = answer;
      }
    }
    return answer;
  }
  return false;  // no such process
}

int Checker::process() const noexcept {
  return phase_ == Phase::kRunning ? process_of(current()) : kMaxProcesses;
}

// --- The seam ---------------------------------------------------------------------------------

// The orders that the operation is performed with.
inline void Checker::orders(const std::source_location& where, Op op, Field field,
                            std::memory_order& order, std::memory_order& failure) {
  if (keep_ == Keep::kSites) [[unlikely]]
    discover(where, op, field, order, failure);
  weakening_.apply(where, op, field, order, failure);
}

std::uint64_t Checker::load(Field field, std::memory_order order,
                            const std::source_location& where) {
  enter(field);
  std::memory_order unused{};
  orders(where, Op::kLoad, field, order, unused);
  const Tagged read = atomic(atomic_index(field)).load(order_of(order), kInfo);
  Word& word = words_[atomic_index(field)];
  word.observed[static_cast<std::size_t>(current())] = {read.store, read.value};
  if (recording()) {
    append({.op = Op::kLoad,
            .field = field,
            .order = order,
            .found = read.value,
            .read = read.store,
            .newest = word.newest,
            .where = where});
  }
  return read.value;
}

// A store was made: what the oracles need to know.
template <class Value>
void Checker::stored(Op op, Field field, const Value& old, const Value& now) {
  Word& word = words_[atomic_index(field)];
  word.newest = now.store;
  word.observed[static_cast<std::size_t>(current())] = {now.store, now.value};
  const bool ordered =
      word.writer < 0 || word.writer == current() || knows(word.writer, word.clock);
  word.writer = current();
  word.clock = clock();
  if (phase_ == Phase::kBefore) return;
  if (op == Op::kStore && !ordered) header_->unordered_store(field);
  if (old.value != now.value) header_->wrote(field, old.value, now.value);
}

void Checker::store(Field field, std::uint64_t value, std::memory_order order,
                    const std::source_location& where) {
  enter(field);
  std::memory_order unused{};
  orders(where, Op::kStore, field, order, unused);
  Atomic& target = atomic(atomic_index(field));
  rl::context& context = rl::ctx();
  context.sched();
  context.disable_preemption();
  const Tagged old = target.debug_value();
  const Tagged now{value, ++stores_};
  target.store(now, order_of(order), kInfo);
  context.enable_preemption();
  if (recording()) [[unlikely]] {
    append({.op = Op::kStore,
            .field = field,
            .order = order,
            .value = value,
            .newest = newest_store(field),
            .wrote = now.store,
            .where = where});
  }
  stored(Op::kStore, field, old, now);
}

bool Checker::compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                               std::memory_order success, std::memory_order failure,
                               const std::source_location& where) {
  enter(field);
  orders(where, Op::kCompareExchange, field, success, failure);
  Atomic& target = atomic(atomic_index(field));
  rl::context& context = rl::ctx();
  context.sched();
  context.disable_preemption();
  // The outcome is known by now, and Relacy knows only some pairs of orders: each outcome is
  // performed with its own order. A compare_exchange always reads the newest value.
  const Tagged old = target.debug_value();
  const bool succeeds = old.value == expected;
  Tagged compare{expected, 0};
  const Tagged now{desired, succeeds ? ++stores_ : 0};
  target.compare_exchange_strong(compare, now, order_of(succeeds ? success : failure), kInfo);
  context.enable_preemption();
  if (recording()) [[unlikely]] {
    append({.op = Op::kCompareExchange,
            .field = field,
            .order = success,
            .failure_order = failure,
            .expected = expected,
            .value = desired,
            .found = old.value,
            .success = succeeds,
            .read = old.store,
            .newest = newest_store(field),
            .wrote = now.store,
            .where = where});
  }
  if (succeeds) {
    stored(Op::kCompareExchange, field, old, now);
    return true;
  }
  words_[atomic_index(field)].observed[static_cast<std::size_t>(current())] = {old.store,
                                                                               old.value};
  expected = old.value;
  return false;
}

std::uint64_t Checker::fetch_add(Field field, std::uint64_t addend, std::memory_order order,
                                 const std::source_location& where) {
  enter(field);
  std::memory_order unused{};
  orders(where, Op::kFetchAdd, field, order, unused);
  Atomic& target = atomic(atomic_index(field));
  rl::context& context = rl::ctx();
  context.sched();
  context.disable_preemption();
  const Tagged addition{addend, ++stores_};
  const Tagged old = target.fetch_add(addition, order_of(order), kInfo);
  context.enable_preemption();
  const Tagged now = old + addition;
  if (recording()) [[unlikely]] {
    append({.op = Op::kFetchAdd,
            .field = field,
            .order = order,
            .value = addend,
            .found = old.value,
            .read = old.store,
            .newest = newest_store(field),
            .wrote = now.store,
            .where = where});
  }
  stored(Op::kFetchAdd, field, old, now);
  return old.value;
}

void Checker::pause() {
  if (phase_ != Phase::kRunning) return;
  ThreadState& thread = threads_[static_cast<std::size_t>(current())];
  if (++thread.pauses > scenario_->spins) rl::ctx().yield(1, kInfo);
}

void Checker::lock_publication() { harness::lock_word(RelacyWords()); }
void Checker::unlock_publication() { harness::unlock_word(RelacyWords()); }

// --- Oracles ----------------------------------------------------------------------------------

std::uint64_t Checker::newest(Field field) const {
  return atomic(atomic_index(field)).debug_value().value;
}

std::uint32_t Checker::observed(Field field) const noexcept {
  return words_[atomic_index(field)].observed[static_cast<std::size_t>(current())].store;
}

std::uint64_t Checker::observed_value(Field field) const noexcept {
  return words_[atomic_index(field)].observed[static_cast<std::size_t>(current())].value;
}

std::uint64_t Checker::mark() { return ++rl::ctx().threadx_->own_acq_rel_order_; }

std::uint64_t Checker::clock() const { return rl::ctx().threadx_->own_acq_rel_order_; }

bool Checker::knows(int thread, std::uint64_t mark) const {
  return rl::ctx().threadx_->acq_rel_order_[thread] >= mark;
}

bool Checker::knows_dead(int process) const {
  const DeathOf& it = death(process);
  return it.happened && (it.thread < 0 || phase_ != Phase::kRunning || knows(it.thread, it.clock));
}

void Checker::fail_with(const harness::Violation& violation) {
  g_violation.property.keep(violation.property);
  g_violation.text.keep(violation.rule);
  if (!violation.detail.empty()) g_violation.text.keep(": ");
  g_violation.text.keep(violation.detail);
  g_violation.defect.keep(violation.defect);
  KeptText<80> remark;
  remark.keep("VIOLATION ");
  remark.keep(violation.property);
  this->remark(remark.view());
  rl::ctx().fail_test("", rl::test_result_user_assert_failed, kInfo);
  std::abort();  // fail_test does not return: it leaves the fiber for good
}

}  // namespace fsqlshm::relacy
