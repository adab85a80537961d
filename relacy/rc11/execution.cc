#include "relacy/rc11/execution.h"

#include <fmt/format.h>

namespace fsqlshm::rc11 {
namespace {

// The words of the header come first, then one for each process that may die: whether it lives.
constexpr std::size_t kWords = kAtomicFields.size();
static_assert(kWords + kMaxProcesses <= kMaxLocations && kMaxThreads == harness::kMaxThreads);

constexpr Location location_of(Field field) { return static_cast<Location>(atomic_index(field)); }
constexpr std::size_t life_of(int process) { return kWords + static_cast<std::size_t>(process); }

}  // namespace

GraphExecution::GraphExecution(const Scenario& scenario, const Weakening* weakening)
    : ScenarioExecution(false, false), scenario_(scenario), weakening_(weakening) {
  for (auto& fiber : fibers_) fiber = std::make_unique<harness::Fiber>();
}

std::optional<Violation> GraphExecution::prepare(Header& header) {
  header_ = &header;
  violation_.reset();
  record(false);
  tell_oracles(false);
  // NOLINTNEXTLINE(cert-err52-cpp): see violated
  if (setjmp(leave_) == 0) run_before();
  program_ = {.spins = scenario_.spins};
  for (const Word& word : words_) program_.first.push_back(word.value);
  for (std::size_t i = 0; i < scenario_.threads.size(); ++i) {
    const auto body = [this, i](Memory& memory) {
      tell_oracles(false);
      phase_ = Phase::kRunning;
      current_ = static_cast<int>(i);
      memory_ = &memory;
      states_[i] = {};
      scenario_.threads[i].body(*header_);
    };
    const bool mortal = scenario_.threads[i].may_die;
    program_.threads.push_back(
        {body, mortal ? static_cast<int>(life_of(scenario_.process_of(i))) : -1});
  }
  return violation_;
}

std::optional<Violation> GraphExecution::judge(const Graph& graph, const Steps& order,
                                               Extent extent, bool recorded) {
  graph_ = &graph;
  order_ = &order;
  at_ = 0;
  violation_.reset();
  recorded_.clear();
  record(recorded);
  tell_oracles(true);
  // NOLINTNEXTLINE(cert-err52-cpp): see violated
  if (setjmp(leave_) == 0) {
    run_before();
    run_steps();
    if (!violation_) run_after(extent);
  }
  for (const auto& fiber : fibers_) fiber->abandon();
  record(false);
  return violation_;
}

void GraphExecution::run_before() {
  phase_ = Phase::kBefore;
  current_ = -1;
  asides_ = 0;
  deaths_ = 0;
  words_ = {};
  states_ = {};
  deaths_of_ = {};
  for (std::size_t i = 0; i < scenario_.threads.size(); ++i) {
    if (!scenario_.threads[i].may_die) continue;
    words_[life_of(scenario_.process_of(i))] = {.made = true, .value = 1};
  }
  scenario_.before(*header_);
  for (Word& word : words_) {
    word.first = word.shown;
    word.position = 0;
  }
}

void GraphExecution::run_steps() {
  phase_ = Phase::kRunning;
  memory_ = this;
  while (at_ < order_->size() && !violation_) {
    const std::size_t before = at_;
    run_step((*order_)[at_]);
    if (at_ == before && !violation_) {
      violation_ = {std::string(harness::kBadScenario), "a thread does not do what it did before"};
    }
  }
}

// Up to where the thread is not the one that goes on.
void GraphExecution::run_step(EventId step) {
  if (graph_->event(step).is_death()) return die(step);
  current_ = step.thread;
  harness::Fiber& fiber = *fibers_[index()];
  if (mine().events == 0) fiber.start([this] { scenario_.threads[index()].body(*header_); });
  fiber.resume();
  current_ = -1;
}

void GraphExecution::run_after(Extent extent) {
  phase_ = Phase::kAfter;
  if (extent == Extent::kStuck) {
    fail(harness::kP6, "an operation waits for what never comes");
  }
  if (extent == Extent::kEndless) {
    fail(harness::kP6, "an operation did not come to its end in {} steps", kMaxEvents);
  }
  if (extent == Extent::kWhole && scenario_.after) scenario_.after(*header_);
}

void GraphExecution::die(EventId step) {
  ++at_;
  current_ = step.thread;
  ++mine().events;
  const int process = this->process();
  deaths_of_[static_cast<std::size_t>(process)] = {true, current_, mine().events};
  words_[life_of(process)].value = 0;
  ++deaths_;
  header_->writer().thread_dies();
  if (Step* const row = append(Op::kDie)) row->value = static_cast<std::uint64_t>(process);
  current_ = -1;
}

// --- The seam -------------------------------------------------------------------------------------

std::uint64_t GraphExecution::access(Op op, Field field, Operation operation,
                                     const std::source_location& where) {
  operation.location = location_of(field);
  if (!words_[operation.location].made) {
    fail(harness::kBadScenario, "{} has no first value", field_name(field));
  }
  weakening_.apply(where, op, field, operation.order, operation.failure);
  mine().op = op;
  mine().field = field;
  mine().where = where;
  if (phase_ != Phase::kRunning) return aside(operation);
  ++mine().operations;
  const std::uint64_t found = memory_->perform(operation);
  if (!judging() && operation.reads()) mine().observed[operation.location].value = found;
  return found;
}

// In the thread's fiber, where it is the thread that goes on.
std::uint64_t GraphExecution::perform(const Operation& operation) {
  while (at_ == order_->size() || (*order_)[at_].thread != current_ ||
         graph_->event((*order_)[at_]).is_death()) {
    fibers_[index()]->suspend();
  }
  const EventId id = (*order_)[at_];
  const Event& event = graph_->event(id);
  if (event.operation != operation) {
    fail(harness::kBadScenario, "a thread does something else than before");
  }
  ++at_;
  const auto& events = graph_->events(current_);
  const bool pair = !event.is_write && event.exclusive && id.index + 1U < events.size();
  mine().events += pair ? 2 : 1;
  if (operation.location >= kWords) return event.value;
  const EventId write{id.thread, static_cast<std::uint8_t>(id.index + (pair ? 1 : 0))};
  const bool writes = event.is_write || pair;
  if (recording()) {
    record_access(operation, event.value,
                  event.is_write ? 0 : shown_number(operation.location, event.from),
                  writes ? shown_number(operation.location, write) : 0);
  }
  if (!event.is_write) {
    mine().observed[operation.location] = {graph_->position(event.from), event.value};
  }
  if (writes) wrote(write);
  return event.is_write ? 0 : event.value;
}

// A store: what the oracles need to know. One that newer ones were told before changes nothing.
void GraphExecution::wrote(EventId id) {
  const Event& event = graph_->event(id);
  Word& word = words_[event.location()];
  const Field field = kAtomicFields[event.location()];
  const std::uint64_t old = word.value;
  const bool newest = event.position > word.position;
  mine().observed[event.location()] = {event.position, event.value};
  if (newest) {
    word.value = event.value;
    word.position = event.position;
    word.shown = shown_number(event.location(), id);
  }
  if (!event.exclusive && !behind_the_one_before(id)) header_->unordered_store(field);
  if (newest && old != event.value) header_->wrote(field, old, event.value);
}

// Whether the store before it, in modification order, happens-before it.
bool GraphExecution::behind_the_one_before(EventId id) const {
  const Event& event = graph_->event(id);
  return event.known.has(graph_->store_at(event.location(), event.position - 1U));
}

// Before the threads start and after the last one ended.
std::uint64_t GraphExecution::aside(const Operation& operation) {
  if (++asides_ > kMostAside) {
    fail(harness::kP6, "an operation did not come to its end in {} steps", kMostAside);
  }
  Word& word = words_[operation.location];
  const std::uint64_t found = word.value;
  const bool writes = operation.writes(found);
  if (recording()) record_access(operation, found, word.shown, writes ? asides_ : 0);
  mine().observed[operation.location] = {word.position, found};
  if (!writes) return found;
  word.value = operation.result(found);
  word.shown = asides_;
  ++word.position;
  if (phase_ == Phase::kAfter && found != word.value) {
    header_->wrote(kAtomicFields[operation.location], found, word.value);
  }
  return found;
}

void GraphExecution::pause() {
  if (phase_ != Phase::kRunning) return;
  ++mine().pauses;
  if (!judging()) memory_->pause();
}

void GraphExecution::lock_publication() { harness::lock_word(GraphWords(*this)); }
void GraphExecution::unlock_publication() { harness::unlock_word(GraphWords(*this)); }

// --- For scenarios and oracles ----------------------------------------------------------------------

void GraphExecution::init(Field field, std::uint64_t value) {
  words_[location_of(field)] = {.made = true, .value = value};
}

void GraphExecution::bury(int process) {
  words_[life_of(process)] = {.made = true, .value = 0};
  deaths_of_[static_cast<std::size_t>(process)].happened = true;
}

std::uint64_t GraphExecution::observed_value(Field field) const {
  return mine().observed[location_of(field)].value;
}

int GraphExecution::process() const {
  return current_ < 0 ? kMaxProcesses : scenario_.process_of(static_cast<std::size_t>(current_));
}

std::uint64_t GraphExecution::clock() const { return mine().events; }

Clock GraphExecution::known() const {
  const std::size_t events = mine().events;
  return events == 0 ? Clock{} : graph_->events(current_)[events - 1].known;
}

bool GraphExecution::knows(int thread, std::uint64_t mark) const {
  return current_ < 0 || thread == current_ ||
         known().events[static_cast<std::size_t>(thread)] >= mark;
}

// The kernel reports a death after the last store of the dead.
bool GraphExecution::alive(std::uint32_t pid, std::uint64_t birth) {
  for (int process = 0; process < kMaxProcesses; ++process) {
    const ProcessIdentity who = identity(process);
    if (who.pid != pid) continue;
    const bool known = (birth & kKnownBirth) != 0;
    bool answer = !known || who.birth == birth;
    const Word& life = words_[life_of(process)];
    if (known && answer && life.made) {
      const Operation look = {.location = static_cast<Location>(life_of(process)),
                              .order = std::memory_order::acquire};
      answer = (phase_ == Phase::kRunning ? memory_->perform(look) : life.value) == 1;
    }
    if (Step* const row = append(Op::kAskAlive)) {
      row->value = static_cast<std::uint64_t>(process);
      row->expected = birth;
      row->success = answer;
    }
    return answer;
  }
  return false;  // no such process
}

bool GraphExecution::died(int process) const {
  return deaths_of_[static_cast<std::size_t>(process)].happened;
}

bool GraphExecution::knows_dead(int process) const {
  const DeathOf& it = deaths_of_[static_cast<std::size_t>(process)];
  return it.happened && (it.thread < 0 || knows(it.thread, it.event));
}

std::uint64_t GraphExecution::newest(Field field) const { return words_[location_of(field)].value; }

std::uint32_t GraphExecution::newest_store(Field field) const {
  return static_cast<std::uint32_t>(words_[location_of(field)].position);
}

bool GraphExecution::must_find_newest(Field field) const {
  if (current_ < 0) return true;
  const std::size_t position = words_[location_of(field)].position;
  return known().has(graph_->store_at(location_of(field), position));
}

std::uint32_t GraphExecution::observed(Field field) const {
  return static_cast<std::uint32_t>(mine().observed[location_of(field)].position);
}

// Where threads are left, nothing has a destructor (see Scenario).
void GraphExecution::violated(const harness::Violation& violation) {
  if (phase_ == Phase::kRunning && !judging()) return memory_->stop();
  violation_ = {std::string(violation.property), std::string(violation.rule),
                std::string(violation.defect)};
  if (!violation.detail.empty()) violation_->text += fmt::format(": {}", violation.detail);
  remark(fmt::format("VIOLATION {}", violation.property));
  stop();
}

void GraphExecution::stop() {
  // NOLINTNEXTLINE(cert-err52-cpp): an exception could not pass the end of a fiber either
  if (current_ < 0) std::longjmp(leave_, 1);
  fibers_[index()]->suspend();
}

// --- What is recorded --------------------------------------------------------------------------------

// Of a store, in a trace.
std::uint32_t GraphExecution::shown_number(Location location, EventId id) const {
  if (id == kFirstValue) return words_[location].first;
  return kMostAside * 2 + static_cast<std::uint32_t>(id.thread) * 256 + id.index;
}

void GraphExecution::record_access(const Operation& operation, std::uint64_t found,
                                   std::uint32_t read, std::uint32_t wrote) {
  Step* const row = append(mine().op);
  row->field = mine().field;
  row->order = operation.order;
  row->failure_order = operation.failure;
  row->expected = operation.expected;
  row->value = operation.operand;
  row->found = found;
  row->success = wrote != 0;
  row->read = read;
  row->newest = words_[operation.location].shown;
  row->wrote = wrote;
  row->where = mine().where;
}

Step* GraphExecution::append(Op op) {
  if (!recording()) return nullptr;
  Step& row = recorded_.emplace_back();
  row.thread = phase_ == Phase::kBefore  ? relacy::kAtFirst
               : phase_ == Phase::kAfter ? relacy::kAtLast
                                         : current_;
  row.op = op;
  return &row;
}

void GraphExecution::remark(std::string_view text) {
  Step* const row = append(Op::kNote);
  if (row == nullptr) return;
  const std::size_t size = std::min(text.size(), row->note.size() - 1);
  row->note[text.copy(row->note.data(), size)] = '\0';
}

}  // namespace fsqlshm::rc11
