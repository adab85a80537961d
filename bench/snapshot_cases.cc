// The snapshot: reads alone, one after the other, and against a publisher in a thread or a process;
// publishes without readers, and their two halves.

#include "cases.h"
#include "comparators/all.h"
#include "harness/child.h"
#include "publisher.h"

namespace fsqlshm::bench {
namespace {

/// Reads in a row; the processor may overlap them as it likes.
template <class S>
void read_against(benchmark::State& state, Where where, double per_second) {
  harness::Shared<typename S::Memory> memory;
  S subject(*memory);
  subject.publish(triple_of(1));
  const auto publisher = start_publisher<S>(where, per_second, *memory);
  for (auto _ : state) consume(subject.read());
  if (publisher) report_rate(state, "publishes_per_second", *publisher);
  if (torn(subject.read())) throw WrongResult("torn triple at rest");
}

/// Each read's address depends on what the read before returned: the time from a pointer to the
/// triple behind it.
template <class S>
void read_dependent(benchmark::State& state) {
  harness::Shared<typename S::Memory> memory;
  S(*memory).publish(triple_of(1));
  std::uint64_t zero = 0;
  asm volatile("" : "+r"(zero));  // the compiler does not know
  S subject(*memory);
  for (auto _ : state) {
    const Triple triple = subject.read();
    consume(triple);
    subject = subject.moved_by((triple.commit_seq ^ triple.schema_epoch ^ triple.ecs_epoch) & zero);
  }
}

template <class S>
void publish(benchmark::State& state) {
  harness::Shared<typename S::Memory> memory;
  S subject(*memory);
  std::uint64_t n = 1;
  for (auto _ : state) {
    subject.publish(triple_of(++n));
    asm volatile("" : : : "memory");
  }
  if (subject.read() != triple_of(n)) throw WrongResult("not what was published");
}

template <class S>
void begin_end(benchmark::State& state) {
  harness::Shared<typename S::Memory> memory;
  S subject(*memory);
  auto& layout = subject.layout();
  for (auto _ : state) {
    layout.begin_snapshot_publish();
    layout.end_snapshot_publish();
    asm volatile("" : : : "memory");
  }
}

/// What the loop itself costs.
void empty_loop(benchmark::State& state) {
  for (auto _ : state) consume({});
}

}  // namespace

void add_read_cases(Cases& cases, const Settings& settings) {
  cases.push_back(
      {.facts = {{"group", "loop"}, {"subject", "empty"}}, .body = empty_loop, .control = true});
  for_each_subject(AllSubjects(), [&]<class S>() {
    add_case_of<S>(cases, {{"group", "read/uncontended"}}, Clock::kCpu,
                   [](benchmark::State& state) { read_against<S>(state, Where::kThread, 0); });
    add_case_of<S>(cases, {{"group", "read/dependent"}}, Clock::kCpu, read_dependent<S>);
    for_each_publisher<S>(settings.rates, [&](Where where, double rate) {
      add_case_of<S>(
          cases, {{"group", "read"}, {"where", where_name(where)}, {"rate", rate_name(rate)}},
          Clock::kReal, [=](benchmark::State& state) { read_against<S>(state, where, rate); });
    });
  });
}

void add_publish_cases(Cases& cases) {
  for_each_subject(AllSubjects(), [&]<class S>() {
    // Three plain stores are not a publish of any kind.
    if constexpr (!std::same_as<S, PlainWords<3>>) {
      add_case_of<S>(cases, {{"group", "publish"}}, Clock::kCpu, publish<S>);
    }
  });
  add_case_of<Hardened>(cases, {{"group", "begin_end"}}, Clock::kCpu, begin_end<Hardened>);
  add_case_of<Reference>(cases, {{"group", "begin_end"}}, Clock::kCpu, begin_end<Reference>);
}

}  // namespace fsqlshm::bench
