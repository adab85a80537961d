// The time of every single read, and what its tail looks like while a publisher runs. Every triple
// is checked, so this is also a test: a torn read of a subject that is not racy is a wrong result.
//
// Counters: reads; torn; p50 to p99.99, max and mean, the time of a read in ns; retries and
// retries_max, of a read; publishes_per_second.

#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <system_error>

#include "cases.h"
#include "comparators/all.h"
#include "harness/child.h"
#include "publisher.h"
#include "recorder.h"

namespace fsqlshm::bench {
namespace {

/// Reads nothing: what the clock costs, contained in the times of all others. The publisher next to
/// it publishes a header, so that the disturbance is the same.
struct TimerAlone : Hardened {
  static constexpr SubjectFacts kFacts{.name = "timer", .source = "the clock", .control = true};
  using Hardened::Hardened;
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const {
    triple = triple_of(1);
    return true;
  }
};

struct Sample {
  Histogram ticks;
  std::uint64_t retries = 0;
  std::uint64_t most_retries = 0;
  std::uint64_t torn = 0;
};

template <class S>
void time_reads(benchmark::State& state, const S& subject, Sample& sample) {
  for (auto _ : state) {
    std::uint64_t retries = 0;
    const std::uint64_t start = Timer::start();
    const Triple triple = read_counting(subject, retries);
    consume(triple);
    const std::uint64_t stop = Timer::stop();
    sample.ticks.record(stop - start);
    sample.retries += retries;
    sample.most_retries = std::max(sample.most_retries, retries);
    sample.torn += torn(triple) ? 1 : 0;
  }
}

void report(benchmark::State& state, const Sample& sample, double ns_per_tick) {
  const auto count = [&](const char* name, auto value) {
    state.counters[name] = static_cast<double>(value);
  };
  for (const double percentile : {50.0, 90.0, 99.0, 99.9, 99.99}) {
    state.counters[fmt::format("p{:g}", percentile)] =
        static_cast<double>(sample.ticks.at_percentile(percentile)) * ns_per_tick;
  }
  count("max", static_cast<double>(sample.ticks.max()) * ns_per_tick);
  count("mean", sample.ticks.mean() * ns_per_tick);
  count("reads", sample.ticks.total());
  count("retries", sample.retries);
  count("retries_max", sample.most_retries);
  count("torn", sample.torn);
}

/// All reads that a case timed so far, if they are to be kept in a file.
class Kept {
 public:
  explicit Kept(std::string path) : path_(std::move(path)) {}
  void add(const Histogram& ticks, double ns_per_tick) {
    if (path_.empty()) return;
    all_.add(ticks);
    const std::string text = all_.hgrm(ns_per_tick);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path_.c_str(), "w"),
                                                               std::fclose);
    if (!file || std::fputs(text.c_str(), file.get()) < 0 || std::fflush(file.get()) != 0) {
      throw std::system_error(errno, std::generic_category(), "cannot write " + path_);
    }
  }

 private:
  std::string path_;
  Histogram all_;
};

template <class S>
void tail(benchmark::State& state, Where where, double per_second, Kept& kept) {
  static const double kNsPerTick = Timer::ns_per_tick();
  harness::Shared<typename S::Memory> memory;
  S subject(*memory);
  subject.publish(triple_of(1));
  const auto publisher = start_publisher<S>(where, per_second, *memory);
  Sample sample;
  time_reads(state, subject, sample);
  if (publisher) report_rate(state, "publishes_per_second", *publisher);
  report(state, sample, kNsPerTick);
  kept.add(sample.ticks, kNsPerTick);
  if (sample.torn > 0 && !S::kFacts.racy) throw WrongResult("reads were torn");
}

}  // namespace

void add_tail_cases(Cases& cases, const Settings& settings) {
  const auto add = [&]<class S>() {
    for_each_publisher<S>(settings.rates, [&](Where where, double rate) {
      const auto kept = std::make_shared<Kept>(
          settings.hgrm.empty() ? ""
                                : fmt::format("{}/{}-{}-{}.hgrm", settings.hgrm, S::kFacts.name,
                                              where_name(where), rate_name(rate)));
      add_case_of<S>(
          cases, {{"group", "tail"}, {"where", where_name(where)}, {"rate", rate_name(rate)}},
          Clock::kReal, [=](benchmark::State& state) { tail<S>(state, where, rate, *kept); });
    });
  };
  add.template operator()<TimerAlone>();
  for_each_subject(AllSubjects(), add);
}

}  // namespace fsqlshm::bench
