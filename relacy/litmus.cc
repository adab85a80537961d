#include "litmus.h"

#include "scenario.h"

namespace fsqlshm::relacy {
namespace {

using std::memory_order;
constexpr memory_order kRelaxed = memory_order::relaxed;
constexpr memory_order kAcquire = memory_order::acquire;
constexpr memory_order kRelease = memory_order::release;

// Two words of the header serve as x and y.
constexpr Field kX = Field::kCommitSeq;
constexpr Field kY = Field::kSchemaEpoch;

using W = RelacyWords;
struct R {  // the registers of a program
  std::uint64_t a = 0, b = 0, c = 0, d = 0;
};

std::uint64_t newest(Field field) { return Checker::get().newest(field); }

// The steps that programs are made of.
template <Field kField, std::uint64_t kValue, memory_order kOrder = kRelaxed>
void store(W& w, R& /*r*/) {
  w.store(kField, kValue, kOrder);
}
template <auto kInto, Field kField, memory_order kOrder = kRelaxed>
void load(W& w, R& r) {
  r.*kInto = w.load(kField, kOrder);
}
template <Field kField>
void add_one(W& w, R& /*r*/) {
  w.fetch_add(kField, 1, kRelaxed);
}
template <auto kInto, Field kField>
void look(W& /*w*/, R& r) {  // no step of the program
  r.*kInto = newest(kField);
}
// A thread takes these steps, one after the other.
template <auto... kSteps>
void thread(W& w, R& r) {
  (kSteps(w, r), ...);
}

// Message passing: the message x, then the flag y, which `flag` stores and loads.
template <memory_order kFlag>
void send(W& w, R& /*r*/) {
  w.store(kX, 1, kRelaxed);
  w.store(kY, 1, kFlag);
}
template <memory_order kFlag>
void receive(W& w, R& r) {
  r.a = w.load(kY, kFlag);
  r.b = w.load(kX, kRelaxed);
}
// The flag has this value, and the message is not there.
template <std::uint64_t kFlag>
bool without_message(const R& r) {
  return r.a == kFlag && r.b == 0;
}

constexpr auto kThreeStores = thread<store<kX, 1>, store<kX, 2>, store<kX, 3>>;
constexpr auto kLoadAndLook = thread<load<&R::a, kX>, look<&R::b, kX>>;
template <std::uint64_t kDepth>
bool stale_by(const R& r) {
  return r.b - r.a == kDepth;
}

struct Program {
  LitmusResult result;  // name, outcome, allowed, and whether random and bounded search produce it
  std::vector<void (*)(W&, R&)> threads;
  bool (*outcome)(const R&);
};

std::vector<Program> programs() {
  return {
      {{"SB", "store buffering, relaxed: both loads miss the other's store", true, true, true},
       {thread<store<kX, 1>, load<&R::a, kY>>, thread<store<kY, 1>, load<&R::b, kX>>},
       [](const R& r) { return r.a == 0 && r.b == 0; }},
      {{"MP", "message passing, relaxed: the flag without the message", true, true, true},
       {send<kRelaxed>, receive<kRelaxed>},
       without_message<1>},
      {{"MP+rel+acq", "message passing, release and acquire: the flag without the message", false},
       {send<kRelease>, receive<kAcquire>},
       without_message<1>},
      {{"CoRR", "coherence: a younger value, then an older one of the same word", false},
       {thread<store<kX, 1>, store<kX, 2>>, thread<load<&R::a, kX>, load<&R::b, kX>>},
       [](const R& r) { return r.a > r.b; }},
      {{"IRIW", "two readers, acquire, see two writers in opposite orders", true, true, true},
       {thread<store<kX, 1, kRelease>>, thread<store<kY, 1, kRelease>>,
        thread<load<&R::a, kX, kAcquire>, load<&R::b, kY, kAcquire>>,
        thread<load<&R::c, kY, kAcquire>, load<&R::d, kX, kAcquire>>},
       [](const R& r) { return r.a == 1 && r.b == 0 && r.c == 1 && r.d == 0; }},
      {{"LB", "load buffering, relaxed: each load reads the other's later store", true},
       {thread<load<&R::a, kX>, store<kY, 1>>, thread<load<&R::b, kY>, store<kX, 1>>},
       [](const R& r) { return r.a == 1 && r.b == 1; }},
      {{"2+2W", "two writers of two words, relaxed: the first store of each stays", true},
       {thread<store<kX, 1>, store<kY, 2>>, thread<store<kY, 1>, store<kX, 2>>},
       [](const R& /*r*/) { return newest(kX) == 1 && newest(kY) == 1; }},
      {{"MP+rel-seq", "a later relaxed store of the releasing thread does not carry the release",
        true},
       {thread<send<kRelease>, store<kY, 2>>, receive<kAcquire>},
       without_message<2>},
      {{"MP+rmw", "a relaxed read-modify-write of another thread carries the release on", false},
       {send<kRelease>, thread<add_one<kY>>, receive<kAcquire>},
       without_message<2>},
      {{"stale1", "a load reads the store before the newest", true, true, true},
       {kThreeStores, kLoadAndLook},
       stale_by<1>},
      {{"stale2", "a load reads two stores back", true, true, false},
       {kThreeStores, kLoadAndLook},
       stale_by<2>},
      {{"stale3", "a load reads three stores back", true},
       {kThreeStores, kLoadAndLook},
       stale_by<3>}};
}

// How often the search comes by the outcome of the program.
std::uint64_t count(const Program& program, const Budget& budget) {
  RelacyWords words;
  R registers;
  std::uint64_t seen = 0;
  Scenario scenario;
  scenario.before = [&](Header& h) {
    registers = {};
    h.execution().init(kX, 0);
    h.execution().init(kY, 0);
  };
  for (const auto thread : program.threads) {
    scenario.threads.push_back(
        {.title = {}, .body = [&, thread](Header&) { thread(words, registers); }});
  }
  scenario.after = [&](Header&) { seen += program.outcome(registers) ? 1 : 0; };
  Position position;
  static_cast<void>(Checker::get().run(scenario, *find_subject("hardened")->make_header(scenario),
                                       budget, position));
  return seen;
}

}  // namespace

std::vector<LitmusResult> run_litmus() {
  std::vector<LitmusResult> results;
  for (const Program& program : programs()) {
    LitmusResult& result = results.emplace_back(program.result);
    result.random = count(program, {.search = Search::kRandom, .iterations = kLitmusExecutions});
    result.bounded = count(program, {.search = Search::kBounded, .bound = 4});
  }
  return results;
}

}  // namespace fsqlshm::relacy
