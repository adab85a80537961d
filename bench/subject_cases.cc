// What is measured of all subjects, and what only this library's own have.

#include "cases.h"
#include "harness/child.h"
#include "subjects.h"
#include "subjects/header.h"

namespace fsqlshm::bench {
namespace {

/// Reads nothing: what the clock costs, contained in the times of all others. The publisher next to
/// it publishes a header, so that the disturbance is the same.
struct TimerAlone : Hardened {
  static constexpr SubjectFacts kFacts{
      .name = "timer", .source = "the clock", .call = "none", .control = true};
  using Hardened::Hardened;
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const {
    triple = triple_of(1);
    return true;
  }
};

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

void add_subject_cases(Cases& cases, const Settings& settings) {
  cases.push_back(
      {.facts = {{"group", "loop"}, {"subject", "empty"}}, .body = empty_loop, .control = true});
  add_tails<TimerAlone>(cases, settings);
  for (const AnySubject& subject : all_subjects()) {
    if (settings.peers || !subject.facts->peer) subject.add_workloads(cases, settings);
  }
  add_case_of<Hardened>(cases, {{"group", "begin_end"}}, Clock::kCpu, begin_end<Hardened>);
  add_case_of<Reference>(cases, {{"group", "begin_end"}}, Clock::kCpu, begin_end<Reference>);
}

}  // namespace fsqlshm::bench
