// The benchmarks, and what their bodies share.

#ifndef FSQLSHM_BENCH_CASES_H_
#define FSQLSHM_BENCH_CASES_H_

#include <benchmark/benchmark.h>

#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "background.h"
#include "harness/subject.h"
#include "subject.h"

namespace fsqlshm::bench {

/// Which clock a case is judged by.
enum class Clock : std::uint8_t {
  kCpu,   ///< processor time: nothing else takes part, and preemption does not count
  kReal,  ///< wall time: waiting for others is part of what is measured
  kOwn,   ///< the case says how long it took, once; it runs one iteration
};

/// What a case is, in the order of its name: {"group", "read"}, {"where", "thread"},
/// {"rate", "1k"}, {"subject", "hardened"} is read/thread/1k/hardened. Results carry them in their
/// labels, so that no reader has to take a name apart.
using Facts = std::vector<std::pair<std::string, std::string>>;

struct Case {
  Facts facts;
  std::function<void(benchmark::State&)> body;
  Clock clock = Clock::kCpu;
  bool racy = false;                 ///< as in SubjectFacts
  bool control = false;              ///< as in SubjectFacts
  std::vector<std::int64_t> args{};  ///< one run for each, if there are any; the fact "n"
};
using Cases = std::vector<Case>;

/// What the command line asks of the cases.
struct Settings {
  std::vector<double> rates = {0, 1e3, 1e4, 1e5, 1e6, kSaturating};  ///< publishes a second
  std::string hgrm;  ///< folder for the histograms of the timed reads, or empty
  std::optional<harness::Subject> subject;  ///< a shared object whose calls are measured, too
  bool peers = false;  ///< also the subjects that are measured only if they are asked for
};

void add_subject_cases(Cases& cases, const Settings& settings);  // workloads.h, of all subjects
void add_header_cases(Cases& cases);  // open, create, to_bytes, checksum, a window left open
void add_writer_cases(Cases& cases);  // the serialized writer
void add_call_cases(Cases& cases, const Settings& settings);  // calls through the C interface
void add_file_cases(Cases& cases);     // the locks of a mapped file, and what its guard adds
void add_growth_cases(Cases& cases);   // more allocators
void add_sharing_cases(Cases& cases);  // traffic on the seqlock's cache line

/// Adds the case `facts` with the subject S as the last of them.
template <class S>
void add_case_of(Cases& cases, Facts facts, Clock clock,
                 const std::function<void(benchmark::State&)>& body,
                 const std::vector<std::int64_t>& args = {}) {
  facts.emplace_back("subject", S::kFacts.name);
  cases.push_back({.facts = std::move(facts),
                   .body = body,
                   .clock = clock,
                   .racy = S::kFacts.racy,
                   .control = S::kFacts.control,
                   .args = args});
}

/// How many threads, or processes, do the same in the groups "growth": some counts up to twice the processors.
[[nodiscard]] std::vector<std::int64_t> numbers_of_threads();

/// What a body throws, after its loop, when the operation it measured did not do what it should.
/// The text is part of a finding's title, so it holds nothing that changes from run to run.
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
