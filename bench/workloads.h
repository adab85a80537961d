// The table of workloads: what every subject is measured by, whoever wrote it.

#ifndef FSQLSHM_BENCH_WORKLOADS_H_
#define FSQLSHM_BENCH_WORKLOADS_H_

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <vector>

#include "cases.h"
#include "harness/child.h"
#include "publisher.h"
#include "timed_reads.h"

namespace fsqlshm::bench {

/// By another handle than the one that reads: a call that is not inlined takes the address of its handle, which
/// then stays in memory, and every access of the reader would load the header's address first.
template <class S>
void publish_first(typename S::Memory& memory) {
  S(memory).publish(triple_of(1));
}

/// Reads in a row; the processor may overlap them as it likes.
template <class S>
void read_against(benchmark::State& state, Where where, double per_second) {
  harness::Shared<typename S::Memory> memory;
  const auto publisher = start_publisher<S>(where, per_second, *memory);
  S subject(*memory);
  if (!publisher) publish_first<S>(*memory);
  for (auto _ : state) consume(subject.read());
  if (publisher) report_rate(state, "publishes_per_second", *publisher);
  if (torn(subject.read())) throw WrongResult("torn triple at rest");
}

/// Each read's address depends on what the read before returned: the time from a pointer to the
/// triple behind it.
template <Movable S>
void read_dependent(benchmark::State& state) {
  harness::Shared<typename S::Memory> memory;
  std::uint64_t zero = 0;
  asm volatile("" : "+r"(zero));  // the compiler does not know
  S subject(*memory);
  publish_first<S>(*memory);
  for (auto _ : state) {
    const Triple triple = subject.read();
    consume(triple);
    subject.move_by((triple.commit_seq ^ triple.schema_epoch ^ triple.ecs_epoch) & zero);
  }
}

/// The time of every single read; each is checked.
template <class S>
void tail(benchmark::State& state, Where where, double per_second, KeptTimes& kept) {
  harness::Shared<typename S::Memory> memory;
  const auto publisher = start_publisher<S>(where, per_second, *memory);
  S subject(*memory);
  if (!publisher) publish_first<S>(*memory);
  TimedReads reads;
  for (auto _ : state) {
    std::uint64_t retries = 0;
    const std::uint64_t start = Timer::start();
    const Triple triple = read_counting(subject, retries);
    consume(triple);
    reads.add(Timer::stop() - start, retries, torn(triple));
  }
  if (publisher) report_rate(state, "publishes_per_second", *publisher);
  reads.report(state);
  kept.add(reads);
  if (reads.torn() > 0 && !S::kFacts.racy) throw WrongResult("reads were torn");
}

/// Publishes in a row; whatever is called is inlined, for one subject as for the others.
template <class S>
[[gnu::flatten]] void publish(benchmark::State& state) {
  harness::Shared<typename S::Memory> memory;
  S subject(*memory);
  std::uint64_t n = 1;
  for (auto _ : state) {
    subject.publish(triple_of(++n));
    asm volatile("" : : : "memory");
  }
  if (subject.read() != triple_of(n)) throw WrongResult("not what was published");
}

/// The measured reader's time a read while range(0) - 1 others do the same, and a publisher runs at
/// `per_second` or not at all. "all_per_second" is what all readers did together.
template <class S>
void readers(benchmark::State& state, Where where, double per_second) {
  harness::Shared<typename S::Memory> memory;
  const auto publisher = start_publisher<S>(where, per_second, *memory);
  constexpr int kReadsPerStep = 64;  // so that counting them costs little
  std::vector<std::unique_ptr<Background>> others;
  for (std::int64_t i = 1; i < state.range(0); ++i) {
    others.push_back(
        std::make_unique<Background>(where, reader_cpu(static_cast<std::size_t>(i)), kSaturating,
                                     [handle = LateHandle<S>(*memory)](std::uint64_t) mutable {
                                       const S& subject = *handle;
                                       for (int n = 0; n < kReadsPerStep; ++n)
                                         consume(subject.read());
                                     }));
  }
  const S subject(*memory);
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

/// From the call of a survivor that publishes, after a publisher was killed in the middle, to a read
/// of what it published: the median of some deaths, each on a subject of its own. That the publisher
/// is dead is known to the kernel then.
template <Recoverable S>
void recovery(benchmark::State& state) {
  constexpr std::size_t kDeaths = 11;
  std::array<double, kDeaths> seconds{};
  bool good = true;
  for (auto _ : state) {
    for (double& each : seconds) {
      harness::Shared<typename S::Memory> memory;
      DyingPublisher<S> publisher(*memory);
      S survivor(*memory);
      survivor.publish(triple_of(1));
      good &= publisher.let_die();
      const auto start = std::chrono::steady_clock::now();
      survivor.recover(triple_of(2));
      good &= survivor.read() == triple_of(2);
      const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
      each = passed.count();
    }
    std::ranges::sort(seconds);
    state.SetIterationTime(seconds[kDeaths / 2]);
  }
  if (!good) throw WrongResult("not what was published after a death");
}

/// Calls visit(where, rate) for all combinations in which S works.
template <class S, class Visit>
void for_each_publisher(const std::vector<double>& rates, Visit visit) {
  for (const Where where : {Where::kThread, Where::kProcess}) {
    if (where == Where::kProcess && !S::kFacts.across_processes) continue;
    for (const double rate : rates) visit(where, rate);
  }
}

template <class S>
void add_tails(Cases& cases, const Settings& settings) {
  for_each_publisher<S>(settings.rates, [&](Where where, double rate) {
    const auto kept = KeptTimes::make(settings.hgrm, S::kFacts.name, where, rate);
    add_case_of<S>(
        cases, {{"group", "tail"}, {"where", where_name(where)}, {"rate", rate_name(rate)}},
        Clock::kReal, [=](benchmark::State& state) { tail<S>(state, where, rate, *kept); });
  });
}

/// All that a subject is measured by.
template <class S>
void add_workloads(Cases& cases, const Settings& settings) {
  add_case_of<S>(cases, {{"group", "read/uncontended"}}, Clock::kCpu,
                 [](benchmark::State& state) { read_against<S>(state, Where::kThread, 0); });
  if constexpr (Movable<S>) {
    add_case_of<S>(cases, {{"group", "read/dependent"}}, Clock::kCpu, read_dependent<S>);
  }
  for_each_publisher<S>(settings.rates, [&](Where where, double rate) {
    add_case_of<S>(
        cases, {{"group", "read"}, {"where", where_name(where)}, {"rate", rate_name(rate)}},
        Clock::kReal, [=](benchmark::State& state) { read_against<S>(state, where, rate); });
  });
  add_tails<S>(cases, settings);
  if (!S::kFacts.reads_only) add_case_of<S>(cases, {{"group", "publish"}}, Clock::kCpu, publish<S>);
  if constexpr (Recoverable<S>) {
    add_case_of<S>(cases, {{"group", "recovery"}}, Clock::kOwn, recovery<S>);
  }
  if (S::kFacts.racy) return;
  for_each_publisher<S>({0, 1e4}, [&](Where where, double rate) {
    add_case_of<S>(
        cases,
        {{"group", "growth/readers"}, {"where", where_name(where)}, {"rate", rate_name(rate)}},
        Clock::kReal, [=](benchmark::State& state) { readers<S>(state, where, rate); },
        numbers_of_threads());
  });
}

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_WORKLOADS_H_
