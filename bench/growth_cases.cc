// How times grow with the number of threads: readers in threads and processes, with and without a
// publisher, and threads that allocate transaction ids.

#include <algorithm>

#include "cases.h"
#include "comparators/all.h"
#include "harness/child.h"
#include "publisher.h"

namespace fsqlshm::bench {
namespace {

/// The measured reader's time a read while range(0) - 1 others do the same, and a publisher runs at
/// 10 k a second or not at all. "all_per_second" is what all readers did together.
template <class S>
void readers(benchmark::State& state, Where where, double per_second) {
  harness::Shared<typename S::Memory> memory;
  S subject(*memory);
  subject.publish(triple_of(1));
  const auto publisher = start_publisher<S>(where, per_second, *memory);
  constexpr int kReadsPerStep = 64;  // so that counting them costs little
  std::vector<std::unique_ptr<Background>> others;
  for (std::int64_t i = 1; i < state.range(0); ++i) {
    others.push_back(std::make_unique<Background>(where, reader_cpu(static_cast<std::size_t>(i)),
                                                  kSaturating, [subject](std::uint64_t) {
                                                    for (int n = 0; n < kReadsPerStep; ++n) {
                                                      consume(subject.read());
                                                    }
                                                  }));
  }
  const auto start = std::chrono::steady_clock::now();
  for (auto _ : state) consume(subject.read());
  const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
  double all_per_second = static_cast<double>(state.iterations()) / passed.count();
  for (const auto& other : others) {
    other->stop();
    all_per_second += other->rate() * kReadsPerStep;
  }
  state.counters["all_per_second"] = all_per_second;
  if (publisher) report_rate(state, "publishes_per_second", *publisher);
}

/// Ids by range(0) threads; the time is one thread's for one id.
void allocate(benchmark::State& state) {
  harness::Shared<Hardened::Memory> memory;
  Hardened subject(*memory);
  std::vector<std::unique_ptr<Background>> others;
  for (std::int64_t i = 1; i < state.range(0); ++i) {
    others.push_back(std::make_unique<Background>(
        Where::kThread, reader_cpu(static_cast<std::size_t>(i)), kSaturating,
        [subject](std::uint64_t) mutable { (void)subject.layout().alloc_txn_id(); }));
  }
  bool good = true;
  std::uint64_t last = 0;
  for (auto _ : state) {
    const auto id = subject.layout().alloc_txn_id();
    good &= id && id->get() > last;
    last = id ? id->get() : last;
  }
  if (!good) throw WrongResult("ids of one thread do not ascend");
}

}  // namespace

void add_growth_cases(Cases& cases) {
  const auto cores = static_cast<std::int64_t>(allowed_cpus().size());
  std::vector<std::int64_t> numbers;
  for (std::int64_t n = 1; n <= 2 * cores; n = n < 4 ? n + 1 : std::min(2 * n, n + cores)) {
    numbers.push_back(n);
  }
  cases.push_back({.facts = {{"group", "growth/alloc_txn_id"}},
                   .body = allocate,
                   .clock = Clock::kReal,
                   .args = numbers});
  for_each_subject(
      SubjectList<Hardened, DoubleCopy, LeftRight, StdMutex, StdSharedMutex, PthreadRwlock>(),
      [&]<class S>() {
        for_each_publisher<S>({0, 1e4}, [&](Where where, double rate) {
          add_case_of<S>(
              cases,
              {{"group", "growth/readers"},
               {"where", where_name(where)},
               {"rate", rate_name(rate)}},
              Clock::kReal, [=](benchmark::State& state) { readers<S>(state, where, rate); },
              numbers);
        });
      });
}

}  // namespace fsqlshm::bench
