// Publishes without readers, and the seqlock's two halves.

#include "cases.h"
#include "comparators/all.h"
#include "harness/child.h"

namespace fsqlshm::bench {
namespace {

template <class S>
void publish(benchmark::State& state) {
  const PinScope pin(reader_cpu(0));
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
  const PinScope pin(reader_cpu(0));
  harness::Shared<typename S::Memory> memory;
  S subject(*memory);
  auto& layout = subject.layout();
  for (auto _ : state) {
    layout.begin_snapshot_publish();
    layout.end_snapshot_publish();
    asm volatile("" : : : "memory");
  }
}

}  // namespace

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
