#include "litmus.h"

#include <array>
#include <functional>
#include <utility>

#include "checker.h"

namespace fsqlshm::relacy {
namespace {

using std::memory_order;
constexpr memory_order kRelaxed = memory_order::relaxed;
constexpr memory_order kAcquire = memory_order::acquire;
constexpr memory_order kRelease = memory_order::release;

// Three words of the header serve as x, y and z.
constexpr Field kX = Field::kCommitSeq;
constexpr Field kY = Field::kSchemaEpoch;

struct Registers {
  std::uint64_t a = 0, b = 0, c = 0, d = 0;
};

class Litmus final : public Test {
 public:
  using Thread = std::function<void(RelacyWords&, Registers&)>;
  using Outcome = std::function<bool(const Registers&)>;

  Litmus(std::vector<Thread> threads, Outcome outcome)
      : threads_(std::move(threads)), outcome_(std::move(outcome)) {}

  void before() override {
    registers_ = {};
    Checker::get().init(kX, 0);
    Checker::get().init(kY, 0);
  }
  void thread(int index) override { threads_[static_cast<std::size_t>(index)](words_, registers_); }
  void after() override {
    if (outcome_(registers_)) ++seen_;
  }
  [[nodiscard]] std::uint64_t run(Search search) {
    seen_ = 0;
    RunRequest request{.test = this};
    request.threads = static_cast<int>(threads_.size());
    request.search = search;
    request.bound = 4;
    request.count = search == Search::kRandom ? kLitmusExecutions : ~std::uint64_t{0};
    static_cast<void>(Checker::get().run(request));
    return seen_;
  }

 private:
  std::vector<Thread> threads_;
  Outcome outcome_;
  RelacyWords words_;
  Registers registers_;
  std::uint64_t seen_ = 0;
};

struct Case {
  LitmusResult result;
  Litmus litmus;
};

}  // namespace

std::vector<LitmusResult> run_litmus() {
  using W = RelacyWords;
  using R = Registers;
  const auto newest = [](Field field) { return Checker::get().newest(field); };
  const auto reader = [](memory_order order) {
    return [order](W& w, R& r) {
      r.a = w.load(kY, order);
      r.b = w.load(kX, kRelaxed);
    };
  };
  const auto writer = [](memory_order order) {
    return [order](W& w, R&) {
      w.store(kX, 1, kRelaxed);
      w.store(kY, 1, order);
    };
  };

  std::vector<Case> cases;
  const auto add = [&](const char* name, const char* outcome, bool allowed, bool random,
                       bool bounded, std::vector<Litmus::Thread> threads, Litmus::Outcome seen) {
    cases.push_back({{.name = name,
                      .outcome = outcome,
                      .allowed = allowed,
                      .expected_random = random,
                      .expected_bounded = bounded},
                     Litmus(std::move(threads), std::move(seen))});
  };

  add("SB", "store buffering, relaxed: both loads miss the other's store", true, true, true,
      {[](W& w, R& r) {
         w.store(kX, 1, kRelaxed);
         r.a = w.load(kY, kRelaxed);
       },
       [](W& w, R& r) {
         w.store(kY, 1, kRelaxed);
         r.b = w.load(kX, kRelaxed);
       }},
      [](const R& r) { return r.a == 0 && r.b == 0; });
  add("MP", "message passing, relaxed: the flag without the message", true, true, true,
      {writer(kRelaxed), reader(kRelaxed)}, [](const R& r) { return r.a == 1 && r.b == 0; });
  add("MP+rel+acq", "message passing, release and acquire: the flag without the message", false,
      false, false, {writer(kRelease), reader(kAcquire)},
      [](const R& r) { return r.a == 1 && r.b == 0; });
  add("CoRR", "coherence: a younger value, then an older one of the same word", false, false, false,
      {[](W& w, R&) {
         w.store(kX, 1, kRelaxed);
         w.store(kX, 2, kRelaxed);
       },
       [](W& w, R& r) {
         r.a = w.load(kX, kRelaxed);
         r.b = w.load(kX, kRelaxed);
       }},
      [](const R& r) { return r.a > r.b; });
  add("IRIW", "two readers, acquire, see two writers in opposite orders", true, true, true,
      {[](W& w, R&) { w.store(kX, 1, kRelease); }, [](W& w, R&) { w.store(kY, 1, kRelease); },
       [](W& w, R& r) {
         r.a = w.load(kX, kAcquire);
         r.b = w.load(kY, kAcquire);
       },
       [](W& w, R& r) {
         r.c = w.load(kY, kAcquire);
         r.d = w.load(kX, kAcquire);
       }},
      [](const R& r) { return r.a == 1 && r.b == 0 && r.c == 1 && r.d == 0; });
  add("LB", "load buffering, relaxed: each load reads the other's later store", true, false, false,
      {[](W& w, R& r) {
         r.a = w.load(kX, kRelaxed);
         w.store(kY, 1, kRelaxed);
       },
       [](W& w, R& r) {
         r.b = w.load(kY, kRelaxed);
         w.store(kX, 1, kRelaxed);
       }},
      [](const R& r) { return r.a == 1 && r.b == 1; });
  add("2+2W", "two writers of two words, relaxed: the first store of each stays", true, false,
      false,
      {[](W& w, R&) {
         w.store(kX, 1, kRelaxed);
         w.store(kY, 2, kRelaxed);
       },
       [](W& w, R&) {
         w.store(kY, 1, kRelaxed);
         w.store(kX, 2, kRelaxed);
       }},
      [newest](const R&) { return newest(kX) == 1 && newest(kY) == 1; });
  add("MP+rel-seq", "a later relaxed store of the releasing thread does not carry the release",
      true, false, false,
      {[](W& w, R&) {
         w.store(kX, 1, kRelaxed);
         w.store(kY, 1, kRelease);
         w.store(kY, 2, kRelaxed);
       },
       reader(kAcquire)},
      [](const R& r) { return r.a == 2 && r.b == 0; });
  add("MP+rmw", "a relaxed read-modify-write of another thread carries the release on", false,
      false, false,
      {writer(kRelease), [](W& w, R&) { w.fetch_add(kY, 1, kRelaxed); }, reader(kAcquire)},
      [](const R& r) { return r.a == 2 && r.b == 0; });
  const Litmus::Thread three_stores = [](W& w, R&) {
    for (std::uint64_t value = 1; value <= 3; ++value) w.store(kX, value, kRelaxed);
  };
  for (const unsigned depth : {1U, 2U, 3U}) {
    static constexpr std::array<const char*, 3> kNames = {"stale1", "stale2", "stale3"};
    static constexpr std::array<const char*, 3> kOutcomes = {
        "a load reads the store before the newest", "a load reads two stores back",
        "a load reads three stores back"};
    add(kNames[depth - 1], kOutcomes[depth - 1], true, depth <= 2, depth <= 1,
        {three_stores,
         [newest](W& w, R& r) {
           r.a = w.load(kX, kRelaxed);
           r.b = newest(kX);
         }},
        [depth](const R& r) { return r.b - r.a == depth; });
  }

  std::vector<LitmusResult> results;
  for (Case& each : cases) {
    each.result.random = each.litmus.run(Search::kRandom);
    each.result.bounded = each.litmus.run(Search::kBounded);
    results.push_back(each.result);
  }
  return results;
}

}  // namespace fsqlshm::relacy
