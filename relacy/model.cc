// The only file that sees Relacy. Everything that its headers include comes before them, because
// they redefine words of the language; the macros are gone again right behind them.

#include "model.h"

#include <setjmp.h>
#include <sys/times.h>
#include <ucontext.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <iostream>
#include <iterator>
#include <map>
#include <memory>
#include <new>
#include <queue>
#include <set>
#include <sstream>
#include <stack>
#include <stdexcept>
#include <typeinfo>
#include <utility>

#include "fsqlshm/words.h"
#include "harness/random.h"

// clang-format off
#include <relacy/relacy.hpp>
// clang-format on
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef errno

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

// The text of a violation: inside of an execution nothing may be allocated.
struct FailureText {
  std::array<char, 64> property{};
  std::array<char, 512> text{};
};
FailureText g_failure;

void copy_text(std::span<char> to, std::string_view from) {
  const std::size_t size = std::min(from.size(), to.size() - 1);
  std::copy_n(from.data(), size, to.data());
  to[size] = '\0';
}

// What the tree search and Model::run tell each other.
struct TreeState {
  unsigned bound = 0;  // preemptions
  std::uint64_t count = 0;
  std::uint64_t done = 0;
  bool complete = false;
  bool bad_choice = false;  // a replayed choice does not exist
  std::uint64_t shard_index = 0;
  std::uint64_t shard_count = 1;
  std::uint64_t prefix = 0;  // how many prefixes came before this one
  rl::vector<Choice>::type path;
};
TreeState g_tree;

// How many choices make the prefix by which a tree search is split over machines.
constexpr std::size_t kShardDepth = 6;

// Depth-first search over the scheduler's choices: Relacy's context-bound search, made to stop and
// go on, to be split, and to refuse a replay whose choices do not exist.
template <int kThreads>
class TreeScheduler
    : public rl::tree_search_scheduler<
          TreeScheduler<kThreads>, rl::context_bound_scheduler_thread_info<kThreads>, kThreads> {
  using Base =
      rl::tree_search_scheduler<TreeScheduler<kThreads>,
                                rl::context_bound_scheduler_thread_info<kThreads>, kThreads>;

 public:
  using typename Base::shared_context_t;
  using typename Base::thread_info_t;

  TreeScheduler(rl::test_params& params, shared_context_t& context, int dynamic_threads)
      : Base(params, context, dynamic_threads) {
    for (const Choice& choice : g_tree.path) {
      this->stree_.push_back({choice.limit, choice.index, rl::sched_type_sched, 0});
    }
  }

  rl::thread_id_t iteration_begin_impl() {
    switches_left_ = g_tree.bound;
    this->stree_depth_ = 0;
    const unsigned index =
        rand_impl(static_cast<unsigned>(this->running_threads_count), rl::sched_type_sched);
    return this->running_threads[index];
  }

  unsigned rand_impl(unsigned limit, rl::sched_type type) {
    if (this->stree_depth_ < this->stree_.size()) {
      auto& node = this->stree_[this->stree_depth_++];
      node.count_ = limit;
      if (node.index_ >= limit) {
        g_tree.bad_choice = true;
        node.index_ = 0;
      }
      return node.index_;
    }
    return Base::rand_impl(limit, type);
  }

  bool can_switch(thread_info_t& /*thread*/) { return switches_left_ != 0; }
  void on_switch(thread_info_t& thread) {
    if (thread.state_ == rl::thread_state_running) --switches_left_;
  }
  double iteration_count_approx() { return 1.0; }

  bool iteration_end_impl() {
    ++g_tree.done;
    if (this->stree_depth_ < this->stree_.size()) {  // a replay that is longer than the execution
      g_tree.bad_choice = true;
      this->stree_.resize(this->stree_depth_);
    }
    // Of a prefix that is another machine's, only the one execution that showed it is run here.
    if (g_tree.prefix % g_tree.shard_count != g_tree.shard_index &&
        this->stree_.size() > kShardDepth) {
      this->stree_.resize(kShardDepth);
    }
    g_tree.complete = Base::iteration_end_impl();
    if (!g_tree.complete && this->stree_.size() <= kShardDepth) ++g_tree.prefix;
    if (!g_tree.complete && g_tree.done < g_tree.count) return false;
    save();
    return true;
  }

  void get_state_impl(std::ostream& /*stream*/) {  // after a violation
    ++g_tree.done;
    this->stree_.resize(std::min(this->stree_.size(), this->stree_depth_));
    save();
  }
  void set_state_impl(std::istream& /*stream*/) {}

 private:
  void save() {
    g_tree.path.clear();
    for (const auto& node : this->stree_) {
      g_tree.path.push_back(
          {static_cast<std::uint8_t>(node.count_), static_cast<std::uint8_t>(node.index_)});
    }
  }

  unsigned switches_left_ = 0;
};

// The n-th execution is a function of n alone. Relacy's own random search draws the next thread
// anew at every step, so a thread hardly ever gets far undisturbed; here each execution has a
// stickiness of its own: at every step a thread goes on with probability 1/2, 3/4, 7/8 or 15/16
// before one is drawn.
template <int kThreads>
class RandomScheduler
    : public rl::scheduler<RandomScheduler<kThreads>, rl::scheduler_thread_info, kThreads> {
  using Base = rl::scheduler<RandomScheduler<kThreads>, rl::scheduler_thread_info, kThreads>;

 public:
  using typename Base::shared_context_t;
  struct task_t {};

  RandomScheduler(rl::test_params& params, shared_context_t& context, int dynamic_threads)
      : Base(params, context, dynamic_threads) {}

  rl::thread_id_t iteration_begin_impl() {
    random_ = harness::Random(this->iter_ * harness::kGoldenGamma);
    leave_mask_ = (2U << draw() % 4) - 1;
    return any();
  }

  bool iteration_end_impl() { return this->iter_ == this->params_.iteration_count; }

  rl::thread_id_t schedule_impl(rl::unpark_reason& reason, unsigned yield) {
    reason = rl::unpark_reason_normal;
    if (this->thread_->state_ != rl::thread_state_running) return any();
    const rl::thread_id_t current = this->thread_->index_;
    if (yield == 0) return (draw() & leave_mask_) != 0 ? current : any();
    const rl::thread_id_t next = any();  // whoever waits goes on less often than another
    return next == current ? any() : next;
  }

  unsigned rand_impl(unsigned limit, rl::sched_type /*type*/) { return draw() % limit; }
  rl::iteration_t iteration_count_impl() { return this->params_.iteration_count; }
  void get_state_impl(std::ostream& /*stream*/) {}
  void set_state_impl(std::istream& /*stream*/) {}
  void on_thread_block(rl::thread_id_t /*thread*/, bool /*yield*/) {}
  void purge_blocked_threads() {}
  void thread_finished_impl() {}

 private:
  unsigned draw() { return static_cast<unsigned>(random_.next() >> 32); }

  rl::thread_id_t any() {
    return this->running_threads[draw() % static_cast<unsigned>(this->running_threads_count)];
  }

  harness::Random random_;
  unsigned leave_mask_ = 1;
};

// What Relacy constructs, runs and destroys for each execution.
template <int kThreads>
struct Suite : rl::test_suite<Suite<kThreads>, kThreads> {
  Suite() = default;
  ~Suite() { Model::get().execution_ends(); }
  void before() { Model::get().execution_begins(); }
  void thread(unsigned index) { Model::get().thread_runs(static_cast<int>(index)); }
  void after() { Model::get().execution_after(); }
};

// Relacy never frees the stacks of its fibers.
std::array<void*, kMaxThreads> g_stacks{};

std::ostream& nowhere() {
  static std::ostream stream(nullptr);
  return stream;
}

}  // namespace

std::string_view source_name(std::string_view path) noexcept {
  for (const std::string_view root : {"/include/fsqlshm/", "/relacy/"}) {
    const std::size_t at = path.rfind(root);
    if (at != std::string_view::npos) {
      return path.substr(root == "/relacy/" ? at + 1 : at + root.size());
    }
  }
  return path;
}

Model::Model() {
  steps_.reserve(4096);
  sites_.reserve(256);
}

Model& Model::get() noexcept {
  static Model model;
  return model;
}

int Model::current() const noexcept { return rl::ctx().threadx_->index_; }

template <int kThreads>
void Model::run_threads() {
  rl::test_params params;
  params.output_stream = &nowhere();
  params.progress_stream = &nowhere();
  params.execution_depth_limit = 1000;
  rl::ostringstream state;
  if (request_.search == Search::kRandom) {
    params.search_type = rl::sched_random;
    params.iteration_count = request_.first + request_.count - 1;
    params.initial_state = rl::string(std::to_string(request_.first).c_str());
    result_ = rl::run_test<Suite<kThreads>, RandomScheduler<kThreads>>(params, state, false);
  } else {
    params.search_type = rl::sched_bound;
    result_ = rl::run_test<Suite<kThreads>, TreeScheduler<kThreads>>(params, state, false);
  }
  last_ = params.stop_iteration;
  for (void*& stack : g_stacks) std::free(std::exchange(stack, nullptr));
}

RunReport Model::run(const RunRequest& request) {
  request_ = request;
  weak_line_ = request.weakening != nullptr ? request.weakening->line : 0;
  recording_ = request.record;
  if (request.discover) sites_.clear();
  started_ = 0;
  g_failure = {};
  g_tree = {};
  g_tree.bound = request.search == Search::kFull ? ~0U : request.bound;
  g_tree.count = request.count;
  g_tree.shard_index = request.shard_index;
  g_tree.shard_count = request.shard_count;
  g_tree.prefix = request.prefix;
  g_tree.path.assign(request.path.begin(), request.path.end());

  switch (request.threads) {
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
  recording_ = false;

  RunReport report;
  report.executions = started_;
  report.last = last_;
  report.complete =
      result_ == rl::test_result_success && (request.search == Search::kRandom || g_tree.complete);
  report.prefix = g_tree.prefix;
  report.bad_replay = g_tree.bad_choice;
  report.path.assign(g_tree.path.begin(), g_tree.path.end());
  report.violated = result_ != rl::test_result_success;
  if (result_ == rl::test_result_livelock) {
    report.violation = {"P6 progress", "an operation did not come to its end in 1000 steps"};
  } else if (result_ == rl::test_result_user_assert_failed) {
    report.violation = {g_failure.property.data(), g_failure.text.data()};
  } else if (report.violated) {
    report.violation = {"scenario",
                        fmt::format("Relacy stopped it: {}",
                                    rl::test_result_str(static_cast<rl::test_result_e>(result_)))};
  }
  return report;
}

// --- Life of an execution ---------------------------------------------------------------------

void Model::execution_begins() {
  ++started_;
  phase_ = Phase::kBefore;
  stores_ = 0;
  deaths_ = 0;
  words_ = {};
  dead_ = {};
  threads_ = {};
  g_made = {};
  if (recording_) steps_.clear();
  for (int thread = 0; thread < request_.threads; ++thread) {
    if ((request_.mortal >> thread & 1U) == 0) continue;
    make(kAtomicFields.size() + static_cast<std::size_t>(process_of(thread)), 1);
    // In random search a point drawn beforehand, so that late deaths are as likely as early ones.
    if (request_.search == Search::kRandom) {
      threads_[static_cast<std::size_t>(thread)].death_point = 1 + choose(kDeathPoints);
    }
  }
  request_.scenario->before();
}

void Model::thread_runs(int index) {
  phase_ = Phase::kRunning;
  g_stacks[static_cast<std::size_t>(index)] = rl::ctx().threadx_->fiber_.fib.uc_stack.ss_sp;
  bool dies = false;
  try {
    request_.scenario->thread(index);
  } catch (const Death&) {
    dies = true;
  }
  // Outside of the handler: fibers must not be switched while an exception is being handled.
  if (dies) die();
}

void Model::execution_after() {
  phase_ = Phase::kAfter;
  request_.scenario->after();
}

void Model::execution_ends() {
  for (std::size_t i = 0; i < kWords; ++i) {
    if (g_made[i]) atomic(i).~Atomic();
    g_made[i] = false;
  }
}

void Model::make(std::size_t index, std::uint64_t value) {
  ::new (static_cast<void*>(g_slots[index].memory.data())) Atomic(Tagged{value, ++stores_});
  g_made[index] = true;
  if (index < words_.size()) words_[index].newest = stores_;
}

void Model::init(Field field, std::uint64_t value) { make(atomic_index(field), value); }

// Before an operation: may be the end of the thread.
void Model::enter(Field field) {
  if (!g_made[atomic_index(field)]) fail("scenario", "{} has no first value", field_name(field));
  if (phase_ != Phase::kRunning) return;
  const auto index = static_cast<std::size_t>(current());
  ThreadState& thread = threads_[index];
  ++thread.operations;
  if ((request_.mortal >> index & 1U) == 0) return;
  if (request_.search == Search::kRandom ? thread.operations == thread.death_point
                                         : choose(2) == 1) {
    throw Death{};
  }
}

void Model::die() {
  const int process = process_of(current());
  const std::size_t index = kAtomicFields.size() + static_cast<std::size_t>(process);
  // A release: the kernel reports a death after the last store of the dead.
  atomic(index).store(Tagged{0, ++stores_}, rl::mo_release, kInfo);
  dead_[static_cast<std::size_t>(process)] = true;
  ++deaths_;
  if (recording_) {
    if (Step* const step = append(Op::kDie)) step->value = static_cast<std::uint64_t>(process);
  }
}

void Model::bury(int process) {
  make(kAtomicFields.size() + static_cast<std::size_t>(process), 0);
  dead_[static_cast<std::size_t>(process)] = true;
}

bool Model::alive(std::uint32_t pid, std::uint64_t birth) {
  for (int process = 0; process < kMaxProcesses; ++process) {
    const std::size_t index = kAtomicFields.size() + static_cast<std::size_t>(process);
    const ProcessIdentity who = identity(process);
    if (who.pid != pid) continue;
    const bool known = (birth & kKnownBirth) != 0;
    bool answer = !known || who.birth == birth;
    if (known && answer && g_made[index]) {
      answer = atomic(index).load(rl::mo_acquire, kInfo).value == 1;
    }
    if (recording_) {
      if (Step* const step = append(Op::kAskAlive)) {
        step->value = static_cast<std::uint64_t>(process);
        step->success = answer;
      }
    }
    return answer;
  }
  return false;  // no such process
}

ProcessIdentity Model::identity(int process) noexcept {
  return {.pid = 101 + static_cast<std::uint32_t>(process),
          .birth = kKnownBirth | (1001 + static_cast<std::uint64_t>(process))};
}

int Model::process() const noexcept {
  return phase_ == Phase::kRunning ? process_of(current()) : kMaxProcesses;
}

ProcessIdentity Model::self() const noexcept { return identity(process()); }

unsigned Model::operations() const noexcept {
  return threads_[static_cast<std::size_t>(current())].operations;
}

unsigned Model::pauses() const noexcept {
  return threads_[static_cast<std::size_t>(current())].pauses;
}

unsigned Model::choose(unsigned limit) { return rl::ctx().rand(limit, rl::sched_type_user); }

// --- The seam ---------------------------------------------------------------------------------

void Model::adjust(const std::source_location& where, Op op, std::memory_order& order,
                   std::memory_order& failure) const {
  const Weakening& weak = *request_.weakening;
  if (weak.op != op || source_name(where.file_name()) != weak.file) return;
  (weak.failure ? failure : order) = weak.to;
}

void Model::discover(const std::source_location& where, Op op, Field field, std::memory_order order,
                     std::memory_order failure) {
  const std::string_view file = source_name(where.file_name());
  const std::uint32_t bit = 1U << atomic_index(field);
  for (Site& site : sites_) {
    if (site.line == where.line() && site.op == op && site.file == file) {
      site.fields |= bit;
      return;
    }
  }
  if (sites_.size() == sites_.capacity()) fail("scenario", "too many call sites to collect");
  sites_.push_back({file, where.function_name(), where.line(), op, bit, order, failure});
}

Step* Model::append(Op op) {
  if (steps_.size() == steps_.capacity()) return nullptr;
  Step& step = steps_.emplace_back();
  step.thread = phase_ == Phase::kBefore ? kAtFirst : phase_ == Phase::kAfter ? kAtLast : current();
  step.op = op;
  return &step;
}

// The orders that the operation is performed with.
void Model::orders(const std::source_location& where, Op op, Field field, std::memory_order& order,
                   std::memory_order& failure) {
  if (request_.discover) [[unlikely]]
    discover(where, op, field, order, failure);
  if (where.line() == weak_line_) [[unlikely]]
    adjust(where, op, order, failure);
}

std::uint64_t Model::load(Field field, std::memory_order order, const std::source_location& where) {
  enter(field);
  std::memory_order unused{};
  orders(where, Op::kLoad, field, order, unused);
  const Tagged read = atomic(atomic_index(field)).load(order_of(order), kInfo);
  Word& word = words_[atomic_index(field)];
  word.observed[static_cast<std::size_t>(current())] = {read.store, read.value};
  if (recording_) {
    if (Step* const step = append(Op::kLoad)) {
      step->field = field;
      step->order = order;
      step->found = read.value;
      step->read = read.store;
      step->newest = word.newest;
      step->where = where;
    }
  }
  return read.value;
}

// A store was made: what the oracles and the trace need to know.
template <class Value>
void Model::stored(Op op, Field field, const Value& old, const Value& now, const Step& step) {
  Word& word = words_[atomic_index(field)];
  const std::uint32_t newest = std::exchange(word.newest, now.store);
  word.observed[static_cast<std::size_t>(current())] = {now.store, now.value};
  if (recording_) {
    if (Step* const row = append(op)) {
      const int thread = row->thread;
      *row = step;
      row->thread = thread;
      row->op = op;
      row->field = field;
      row->newest = newest;
      row->wrote = now.store;
    }
  }
  const bool ordered =
      word.writer < 0 || word.writer == current() || knows(word.writer, word.clock);
  word.writer = current();
  word.clock = clock();
  if (phase_ == Phase::kBefore) return;
  if (op == Op::kStore && !ordered) request_.scenario->unordered_store(field);
  if (old.value != now.value) request_.scenario->wrote(field, old.value, now.value);
}

void Model::store(Field field, std::uint64_t value, std::memory_order order,
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
  Step step;
  step.order = order;
  step.value = value;
  step.where = where;
  stored(Op::kStore, field, old, now, step);
}

bool Model::compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
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
  Step step;
  step.order = success;
  step.failure_order = failure;
  step.expected = expected;
  step.value = desired;
  step.found = old.value;
  step.success = succeeds;
  step.read = old.store;
  step.where = where;
  if (succeeds) {
    stored(Op::kCompareExchange, field, old, now, step);
    return true;
  }
  Word& word = words_[atomic_index(field)];
  word.observed[static_cast<std::size_t>(current())] = {old.store, old.value};
  if (recording_) {
    if (Step* const row = append(Op::kCompareExchange)) {
      const int thread = row->thread;
      *row = step;
      row->thread = thread;
      row->op = Op::kCompareExchange;
      row->field = field;
      row->newest = word.newest;
    }
  }
  expected = old.value;
  return false;
}

std::uint64_t Model::fetch_add(Field field, std::uint64_t addend, std::memory_order order,
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
  Step step;
  step.order = order;
  step.value = addend;
  step.found = old.value;
  step.read = old.store;
  step.where = where;
  stored(Op::kFetchAdd, field, old, old + addition, step);
  return old.value;
}

void Model::pause() {
  if (phase_ != Phase::kRunning) return;
  ThreadState& thread = threads_[static_cast<std::size_t>(current())];
  if (++thread.pauses > request_.patience) rl::ctx().yield(1, kInfo);
}

// --- Oracles ----------------------------------------------------------------------------------

std::uint64_t Model::newest(Field field) const {
  return atomic(atomic_index(field)).debug_value().value;
}

std::uint32_t Model::observed(Field field) const noexcept {
  return words_[atomic_index(field)].observed[static_cast<std::size_t>(current())].store;
}

std::uint64_t Model::observed_value(Field field) const noexcept {
  return words_[atomic_index(field)].observed[static_cast<std::size_t>(current())].value;
}

std::uint64_t Model::mark() { return ++rl::ctx().threadx_->own_acq_rel_order_; }

std::uint64_t Model::clock() const { return rl::ctx().threadx_->own_acq_rel_order_; }

bool Model::knows(int thread, std::uint64_t mark) const {
  return rl::ctx().threadx_->acq_rel_order_[thread] >= mark;
}

void Model::fail_with(std::string_view property, std::string_view text) {
  copy_text(g_failure.property, property);
  copy_text(g_failure.text, text);
  if (recording_) note("VIOLATION {}", property);
  rl::ctx().fail_test("", rl::test_result_user_assert_failed, kInfo);
  std::abort();  // fail_test does not return: it leaves the fiber for good
}

}  // namespace fsqlshm::relacy
