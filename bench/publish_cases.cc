// Publishes without readers, and the seqlock's two halves.

#include "cases.h"
#include "comparators/all.h"
#include "mapping.h"

namespace fsqlshm::bench {
namespace {

template <class S>
void publish(benchmark::State& state) {
  const PinScope pin(reader_cpu(0));
  Mapped<typename S::Shared> shared;
  S subject(*shared);
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
  Mapped<typename S::Shared> shared;
  S subject(*shared);
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
      cases.push_back({.name = "publish/" + std::string(S::kName), .body = publish<S>});
    }
  });
  cases.push_back({.name = "begin_end/hardened", .body = begin_end<Hardened>});
  cases.push_back({.name = "begin_end/reference", .body = begin_end<Reference>});
}

}  // namespace fsqlshm::bench
