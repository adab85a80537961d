// The benchmarks by name, and what their bodies share.

#ifndef FSQLSHM_BENCH_CASES_H_
#define FSQLSHM_BENCH_CASES_H_

#include <benchmark/benchmark.h>

#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "publisher.h"

namespace fsqlshm::bench {

/// Which clock a case is judged by.
enum class Clock : std::uint8_t {
  kCpu,   ///< processor time: nobody else is involved, and preemption by strangers does not count
  kReal,  ///< wall time: waiting for others is part of the matter
};

struct Case {
  std::string name;  ///< "group/variant/subject"
  Clock clock = Clock::kCpu;
  std::function<void(benchmark::State&)> body;
  std::vector<std::int64_t> args{};  ///< one run for each, if there are any
  bool complexity = false;           ///< let Google Benchmark fit the growth over `args`
};
using Cases = std::vector<Case>;

void add_read_cases(Cases& cases);     // reads, alone and against a publisher
void add_publish_cases(Cases& cases);  // publishes
void add_header_cases(Cases& cases);   // open, create, to_bytes, checksum, dead publisher
void add_writer_cases(Cases& cases);   // the serialized writer
void add_growth_cases(Cases& cases);   // more readers, more allocators
void add_sharing_cases(Cases& cases);  // traffic on the seqlock's cache line

/// What a body throws, after its loop, when the operation it measured did not do what it should.
class WrongResult : public std::runtime_error {
 public:
  using runtime_error::runtime_error;
};

/// Google Benchmark's DoNotOptimize stores to memory what is larger than a word; this does so for
/// everything, so that objects that are built in memory are compared fairly.
template <class T>
void keep(const T& object) noexcept {
  asm volatile("" : : "r"(&object) : "memory");
}

/// Stops `background` and adds its rate to the counters as `name`.
inline void report_rate(benchmark::State& state, const char* name, Background& background) {
  background.stop();
  state.counters[name] = background.rate();
}

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_CASES_H_
