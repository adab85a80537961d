#include "stress/step/execution.h"

#include <dlfcn.h>

#define XXH_INLINE_ALL
#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>

#include "fsqlshm/geometry.h"
#include "harness/properties/execution.h"
#include "harness/random.h"

namespace fsqlshm::step {
namespace {

constexpr std::uint64_t kStepHistory = 1;
constexpr std::uint64_t kAskHistory = 2;

// A new header as bytes of the wire format.
std::vector<std::byte> new_header(const harness::Subject& subject, Machine& machine) {
  fsqlshm_error error{};
  if (subject->create(machine.real(), 4096, 0, &error) != FSQLSHM_OK) {
    throw std::runtime_error("the subject does not make a header");
  }
  return {machine.real(), machine.real() + machine.size()};
}

// An address as it is in every run: within its file, and the function if that is exported.
std::string place_of(std::uintptr_t address) {
  Dl_info object{};
  // NOLINTNEXTLINE(performance-no-int-to-ptr): an instruction's address is a number
  if (::dladdr(reinterpret_cast<void*>(address), &object) == 0) {
    return fmt::format("{:#x}", address);
  }
  const auto offset = address - reinterpret_cast<std::uintptr_t>(object.dli_fbase);
  const std::string file = std::filesystem::path(object.dli_fname).filename();
  const char* const function = object.dli_sname;
  return fmt::format("{}+{:#x}{}{}", file, offset, function != nullptr ? " in " : "",
                     function != nullptr ? function : "");
}

}  // namespace

SteppedExecution::SteppedExecution(const harness::Subject& subject, Machine& machine,
                                   Choices& choices)
    : ScenarioExecution(true, false),
      subject_(subject),
      machine_(machine),
      choices_(choices),
      first_(new_header(subject, machine)) {
  for (auto& thread : threads_) thread = std::make_unique<Thread>();
  field_at_.fill(-1);
  for (const Field field : kAtomicFields) {
    field_at_[subject.offset_of(field) / 8] = static_cast<int>(atomic_index(field));
  }
  machine.watch(*this);
}

// --- Life of an execution -----------------------------------------------------------------------

void SteppedExecution::reset(const Scenario& scenario, Header& header, unsigned preemptions,
                             bool recording) {
  scenario_ = &scenario;
  header_ = &header;
  preemptions_left_ = preemptions;
  record(recording);
  steps_.clear();
  std::memcpy(machine_.real(), first_.data(), first_.size());
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    Thread& thread = *threads_[i];
    thread.ended = i >= scenario.threads.size();
    thread.wants_lock = thread.in_call = thread.one_attempt = thread.stuck = thread.waits = false;
    thread.accesses = thread.pauses = 0;
    thread.history = 0;
    thread.observed = {};
    thread.visits.clear();
  }
  lock_holder_ = -1;
  deaths_ = 0;
  dead_ = {};
  version_ = 0;
  pending_ = {};
  outcome_ = Outcome::kComplete;
  violation_ = {};
  refusal_.clear();
  choices_.begin();
}

Outcome SteppedExecution::run(const Scenario& scenario, Header& header, unsigned preemptions,
                              bool recording) {
  reset(scenario, header, preemptions, recording);
  phase_ = Phase::kBefore;
  run_aside(scenario.before);
  if (outcome_ == Outcome::kComplete) run_threads();
  if (outcome_ == Outcome::kComplete && scenario.after) {
    phase_ = Phase::kAfter;
    run_aside(scenario.after);
  }
  for (auto& thread : threads_) thread->fiber.abandon();
  if (choices_.diverged()) {
    outcome_ = Outcome::kRefused;
    refusal_ = "the subject does not do the same again: it depends on more than its header";
  }
  return outcome_;
}

void SteppedExecution::run_aside(const harness::Body& body) {
  current_ = kAside;
  mine().fiber.start([this, &body] {
    body(*header_);
    settle();
  });
  mine().fiber.resume();
}

void SteppedExecution::run_threads() {
  phase_ = Phase::kRunning;
  current_ = -1;
  const std::size_t count = scenario_->threads.size();
  for (std::size_t i = 0; i < count; ++i) {
    Thread& thread = *threads_[i];
    if (choices_.random() && scenario_->threads[i].may_die) {
      thread.death_point = 1 + choices_.below(18);
    }
    thread.fiber.start([this, i] {
      scenario_->threads[i].body(*header_);
      settle();
      mine().ended = true;
    });
  }
  bool chosen = false;
  while (chosen || choose_next()) {
    current_ = next_;
    just_chosen_ = true;
    mine().fiber.resume();
    if (outcome_ != Outcome::kComplete) return;
    chosen = !mine().ended;  // it gave way to another
  }
}

void SteppedExecution::end_with(Outcome outcome) {
  outcome_ = outcome;
  machine_.leave();
  mine().fiber.suspend();
  std::abort();  // nobody resumes it
}

// --- Who goes on --------------------------------------------------------------------------------

bool SteppedExecution::can_run(int thread) const {
  const Thread& it = *threads_[static_cast<std::size_t>(thread)];
  return !it.ended && !(it.wants_lock && lock_holder_ >= 0) &&
         !(it.waits && it.waits_since == version_);
}

// The threads that can go on, the running one first; those that wait, but not for sure for ever, if
// there is no other.
std::size_t SteppedExecution::candidates(std::array<int, kMaxThreads>& found) const {
  std::size_t count = 0;
  if (current_ >= 0 && can_run(current_)) found[count++] = current_;
  const int threads = static_cast<int>(scenario_->threads.size());
  for (int i = 0; i < threads; ++i) {
    if (i != current_ && can_run(i)) found[count++] = i;
  }
  for (int i = 0; i < threads && count == 0; ++i) {
    const Thread& it = *threads_[static_cast<std::size_t>(i)];
    if (!it.ended && !it.wants_lock && !it.stuck) found[count++] = i;
  }
  return count;
}

// False: there is nobody, or the execution is over.
bool SteppedExecution::choose_next() {
  std::array<int, kMaxThreads> found{};
  const std::size_t count = candidates(found);
  if (count == 0) {
    if (std::ranges::all_of(threads_, [](const auto& it) { return it->ended; })) return false;
    outcome_ = Outcome::kViolated;
    violation_ = {std::string(harness::kP6), "an operation waits for what never comes"};
    return false;
  }
  const bool stays = current_ >= 0 && found[0] == current_;
  const unsigned index = choose(count, stays);
  if (outcome_ != Outcome::kComplete) return false;
  if (stays && index != 0) --preemptions_left_;
  next_ = found[index];
  return true;
}

unsigned SteppedExecution::choose(std::size_t count, bool stays) {
  if (count == 1) return 0;
  if (choices_.random()) {
    return stays && choices_.stays() ? 0 : choices_.below(static_cast<unsigned>(count));
  }
  if (choices_.seen(state_key() ^ harness::mix(stays ? static_cast<unsigned>(current_) : 99U),
                    preemptions_left_)) {
    outcome_ = Outcome::kCut;
    return 0;
  }
  if (stays && preemptions_left_ == 0) return 0;
  return choices_.choose(static_cast<unsigned>(count));
}

void SteppedExecution::give_way() {
  if (choose_next() && next_ == current_) return;
  mine().fiber.suspend();
  mine().waits = false;
}

void SteppedExecution::may_die() {
  const auto index = static_cast<std::size_t>(current_);
  if (!scenario_->threads[index].may_die) return;
  Thread& thread = mine();
  const bool dies =
      choices_.random() ? thread.accesses + 1 == thread.death_point : choices_.choose(2) == 1;
  if (!dies) return;
  const int process = scenario_->process_of(index);
  dead_[static_cast<std::size_t>(process)] = true;
  ++deaths_;
  ++all_deaths_;
  ++version_;
  header_->writer().thread_dies();
  if (Step* const step = append(Step::Kind::kDie)) {
    step->before = static_cast<std::uint64_t>(process);
  }
  thread.ended = true;
  learn(kStepHistory);
  thread.fiber.suspend();  // for good
  std::abort();
}

// What a thread has read, and where: its own state is a function of that.
void SteppedExecution::learn(std::uint64_t value) {
  mine().history = harness::mix(mine().history ^ value);
}

std::uint64_t SteppedExecution::state_key() const {
  const std::size_t words = machine_.size() / 8;
  std::array<std::uint64_t, 512 + 2 * kMaxThreads + 4> state;
  std::memcpy(state.data(), machine_.real(), words * 8);
  std::size_t size = words;
  for (int i = 0; i < kMaxThreads; ++i) {
    const Thread& thread = *threads_[static_cast<std::size_t>(i)];
    state[size++] = thread.history;
    state[size++] = (thread.ended ? 2U : 0U) | (can_run(i) ? 1U : 0U);
  }
  state[size++] = static_cast<std::uint64_t>(lock_holder_ + 1) << 32U | deaths_;
  state[size++] = header_->fingerprint();
  return XXH3_64bits(state.data(), size * 8);
}

// --- Steps --------------------------------------------------------------------------------------

std::uint64_t SteppedExecution::word_at(std::size_t offset) const {
  std::uint64_t value = 0;
  std::memcpy(&value, machine_.real() + offset, sizeof(value));
  return value;
}

// Tells what the last access did.
void SteppedExecution::settle() {
  if (!pending_.there) return;
  pending_.there = false;
  const std::uint64_t now = word_at(pending_.word);
  if (recording()) steps_[pending_.row].after = now;
  if (now == pending_.before) return;
  ++version_;
  const int index = field_at_[pending_.word / 8];
  if (index < 0) return;
  mine().observed[static_cast<std::size_t>(index)] = now;
  if (phase_ != Phase::kBefore) {
    header_->wrote(kAtomicFields[static_cast<std::size_t>(index)], pending_.before, now);
  }
}

std::uint64_t SteppedExecution::local_state(const LocalState& state) const {
  const auto& registers = state.registers->uc_mcontext.gregs;
  const auto own = XXH3_64bits(&registers[0], sizeof(registers[0]) * (REG_RIP + 1));
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the stack pointer
  const auto* const stack = reinterpret_cast<const std::byte*>(state.stack);
  const std::byte* const top = mine().fiber.stack_top();
  return own ^ XXH3_64bits(stack, static_cast<std::size_t>(top - stack)) ^ 1U;
}

// Whether the call comes by this instruction again; then it may have to wait.
bool SteppedExecution::note_repeat(const Instruction& instruction, bool second,
                                   const LocalState& state) {
  Thread& thread = mine();
  thread.waits = false;
  const auto visit = std::ranges::find_if(thread.visits, [&](const Visit& it) {
    return it.instruction == &instruction && it.second == second;
  });
  if (visit == thread.visits.end()) {
    thread.visits.push_back({&instruction, second, 1, version_, 0});
    return false;
  }
  if (++visit->count > thread.most_repeats) {
    thread.most_repeats = visit->count;
    ++thread.pauses;
  }
  const std::uint64_t local = local_state(state);
  const bool unchanged = visit->version == version_;
  thread.stuck = unchanged && visit->local == local;
  thread.waits = thread.stuck || (unchanged && visit->count > kMostRepeats);
  thread.waits_since = version_;
  visit->version = version_;
  visit->local = local;
  return true;
}

void SteppedExecution::before_access(const Instruction& instruction, std::size_t offset,
                                     bool second, const LocalState& state) {
  settle();
  Thread& thread = mine();
  if (phase_ == Phase::kRunning) {
    if (note_repeat(instruction, second, state) && thread.one_attempt) {
      std::longjmp(thread.attempt, 1);  // NOLINT(cert-err52-cpp): frames of any language
    }
    if (!thread.first_in_call) give_way();
    thread.first_in_call = just_chosen_ = false;
    may_die();
  }
  ++thread.accesses;
  ++all_accesses_;
  if (++thread.in_this_call > kMostSteps) {
    violated({harness::kP6, "an operation did not come to its end in 1000 steps", {}, {}});
  }
  const std::size_t word = offset / 8 * 8;
  const bool reads = instruction.reads && !second;
  pending_ = {.there = true,
              .instruction = &instruction,
              .word = word,
              .writes = instruction.writes && (second || !instruction.two_accesses),
              .before = word_at(word),
              .row = steps_.size()};
  if (pending_.writes && field_at_[word / 8] < 0) {
    if (constants_read_) refused(instruction, "writes to what is read several words at a time");
    others_written_ = true;
  }
  learn(instruction.address << 1U | (second ? 1U : 0U));
  if (reads) {
    learn(pending_.before);
    const int index = field_at_[word / 8];
    if (index >= 0) thread.observed[static_cast<std::size_t>(index)] = pending_.before;
  }
  if (Step* const step = append(Step::Kind::kAccess)) {
    step->instruction = &instruction;
    step->offset = word;
    step->read = reads;
    step->written = pending_.writes;
    step->before = pending_.before;
  }
}

// --- Calls --------------------------------------------------------------------------------------

void SteppedExecution::before_call() {
  if (phase_ != Phase::kRunning) return;
  settle();
  if (!just_chosen_) give_way();
  just_chosen_ = false;
}

void SteppedExecution::call_begins() {
  Thread& thread = mine();
  thread.first_in_call = true;
  thread.in_this_call = 0;
  thread.most_repeats = 1;
  thread.visits.clear();
  machine_.enter();
}

void SteppedExecution::call_ends() {
  machine_.leave();
  settle();
}

bool SteppedExecution::asked(std::uint32_t pid, std::uint64_t birth) {
  machine_.leave();
  settle();
  // Only a death can change the answer.
  if (phase_ == Phase::kRunning) {
    for (std::size_t i = 0; i < scenario_->threads.size(); ++i) {
      if (!scenario_->threads[i].may_die || threads_[i]->ended) continue;
      give_way();
      break;
    }
  }
  const bool answer = alive(pid, birth);
  learn(kAskHistory << 1U | (answer ? 1U : 0U));
  machine_.enter();
  return answer;
}

bool SteppedExecution::alive(std::uint32_t pid, std::uint64_t birth) {
  for (int process = 0; process < kMaxProcesses; ++process) {
    const ProcessIdentity who = identity(process);
    if (who.pid != pid) continue;
    const bool known = (birth & kKnownBirth) != 0;
    const bool answer = !known || (who.birth == birth && !died(process));
    if (Step* const step = append(Step::Kind::kAskAlive)) {
      step->before = static_cast<std::uint64_t>(process);
      step->asked = birth;
      step->after = answer ? 1 : 0;
    }
    return answer;
  }
  return false;  // no such process
}

void SteppedExecution::lock_publication() {
  if (phase_ != Phase::kRunning) return;
  settle();
  mine().wants_lock = true;
  give_way();
  mine().wants_lock = false;
  lock_holder_ = current_;
  learn(kStepHistory);
}

// --- What oracles ask, and what they and the machine say ------------------------------------------

void SteppedExecution::init(Field field, std::uint64_t value) {
  std::memcpy(machine_.real() + subject_.offset_of(field), &value, sizeof(value));
}

int SteppedExecution::process() const {
  return phase_ == Phase::kRunning ? scenario_->process_of(static_cast<std::size_t>(current_))
                                   : kMaxProcesses;
}

std::uint64_t SteppedExecution::newest(Field field) const {
  return word_at(subject_.offset_of(field));
}

Step* SteppedExecution::append(Step::Kind kind) {
  if (!recording()) return nullptr;
  Step& step = steps_.emplace_back();
  step.thread = phase_ == Phase::kBefore ? -1 : phase_ == Phase::kAfter ? -2 : current_;
  step.kind = kind;
  return &step;
}

void SteppedExecution::remark(std::string_view text) {
  if (Step* const step = append(Step::Kind::kNote)) step->note = text;
}

void SteppedExecution::violated(const harness::Violation& violation) {
  violation_ = {std::string(violation.property), std::string(violation.rule),
                std::string(violation.defect)};
  if (!violation.detail.empty()) violation_.text += fmt::format(": {}", violation.detail);
  remark(fmt::format("VIOLATION {}", violation.property));
  end_with(Outcome::kViolated);
}

// The geometry, which compilers copy by vectors.
bool SteppedExecution::is_constant(const Instruction& instruction, std::size_t offset) {
  if (instruction.writes || others_written_) return false;
  for (std::size_t word = offset / 8; word <= (offset + instruction.width - 1) / 8; ++word) {
    if (word < field_at_.size() && field_at_[word] >= 0) return false;
  }
  constants_read_ = true;
  return true;
}

void SteppedExecution::refused(const Instruction& instruction, std::string_view why) {
  refusal_ = fmt::format("it cannot step an instruction at {:#x} that accesses the header: {}{}{}",
                         instruction.address, instruction.text,
                         instruction.text.empty() ? "" : ", which ", why);
  end_with(Outcome::kRefused);
  std::abort();
}

void SteppedExecution::crashed(std::uintptr_t address, std::string_view what) {
  settle();
  const auto text = fmt::format("{} by the instruction at {}", what, place_of(address));
  violated({.property = "memory", .rule = text, .detail = {}, .defect = {}});
  std::abort();
}

}  // namespace fsqlshm::step
