// Reads: alone, one after the other, and against a publisher in a thread or a process.

#include "cases.h"
#include "comparators/all.h"
#include "mapping.h"

namespace fsqlshm::bench {
namespace {

/// Reads in a row; the processor may overlap them as it likes.
template <class S>
void read_against(benchmark::State& state, Where where, double per_second) {
  const PinScope pin(reader_cpu(0));
  Mapped<typename S::Shared> shared;
  S subject(*shared);
  subject.publish(triple_of(1));
  const auto publisher = start_publisher<S>(where, per_second, *shared);
  for (auto _ : state) consume(subject.read());
  if (publisher) report_rate(state, "publishes_per_second", *publisher);
  if (torn(subject.read())) throw WrongResult("torn triple at rest");
}

/// Each read's address depends on what the read before returned: the time from a pointer to the
/// triple behind it.
template <class S>
void read_dependent(benchmark::State& state) {
  const PinScope pin(reader_cpu(0));
  Mapped<typename S::Shared> shared;
  S(*shared).publish(triple_of(1));
  std::uint64_t zero = 0;
  asm volatile("" : "+r"(zero));  // the compiler does not know
  S subject(*shared);
  for (auto _ : state) {
    const Triple triple = subject.read();
    consume(triple);
    subject = subject.moved_by((triple.commit_seq ^ triple.schema_epoch ^ triple.ecs_epoch) & zero);
  }
}

/// What the loop itself costs.
void empty_loop(benchmark::State& state) {
  const PinScope pin(reader_cpu(0));
  for (auto _ : state) consume({});
}

}  // namespace

void add_read_cases(Cases& cases) {
  cases.push_back({.name = "loop/empty", .body = empty_loop});
  for_each_subject(AllSubjects(), [&]<class S>() {
    const std::string subject(S::kName);
    cases.push_back({.name = "read/uncontended/" + subject, .body = [](benchmark::State& state) {
                       read_against<S>(state, Where::kThread, 0);
                     }});
    cases.push_back({.name = "read/dependent/" + subject, .body = read_dependent<S>});
    for (const Where where : {Where::kThread, Where::kProcess}) {
      if (where == Where::kProcess && !S::kAcrossProcesses) continue;
      const char* const group = where == Where::kThread ? "read/thread/" : "read/process/";
      for (const double rate : {0.0, 1e3, 1e4, 1e5, 1e6, kSaturating}) {
        cases.push_back({.name = group + rate_name(rate) + "/" + subject,
                         .clock = Clock::kReal,
                         .body = [where, rate](benchmark::State& state) {
                           read_against<S>(state, where, rate);
                         }});
      }
    }
  });
}

}  // namespace fsqlshm::bench
