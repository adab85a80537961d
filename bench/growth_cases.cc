// How the time of an allocation grows with the number of threads that allocate transaction ids.

#include <algorithm>

#include "cases.h"
#include "harness/child.h"
#include "subjects/header.h"

namespace fsqlshm::bench {
namespace {

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

std::vector<std::int64_t> numbers_of_threads() {
  const auto cores = static_cast<std::int64_t>(allowed_cpus().size());
  std::vector<std::int64_t> numbers;
  for (std::int64_t n = 1; n <= 2 * cores; n = n < 4 ? n + 1 : std::min(2 * n, n + cores)) {
    numbers.push_back(n);
  }
  return numbers;
}

void add_growth_cases(Cases& cases) {
  cases.push_back({.facts = {{"group", "growth/alloc_txn_id"}},
                   .body = allocate,
                   .clock = Clock::kReal,
                   .args = numbers_of_threads()});
}

}  // namespace fsqlshm::bench
