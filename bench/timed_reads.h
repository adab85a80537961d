// What the group "tail" keeps of its reads. Counters: reads; torn; p50 to p99.99, max and mean, the
// time of a read in ns; retries and retries_max, of a read.

#ifndef FSQLSHM_BENCH_TIMED_READS_H_
#define FSQLSHM_BENCH_TIMED_READS_H_

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "background.h"
#include "recorder.h"

namespace fsqlshm::bench {

/// The reads of one measurement.
class TimedReads {
 public:
  [[gnu::always_inline]] void add(std::uint64_t ticks, std::uint64_t retries, bool torn) noexcept {
    ticks_.record(ticks);
    retries_ += retries;
    most_retries_ = std::max(most_retries_, retries);
    torn_ += torn ? 1 : 0;
  }

  [[nodiscard]] const Histogram& ticks() const noexcept { return ticks_; }
  [[nodiscard]] std::uint64_t torn() const noexcept { return torn_; }
  void report(benchmark::State& state) const;

 private:
  Histogram ticks_;
  std::uint64_t retries_ = 0;
  std::uint64_t most_retries_ = 0;
  std::uint64_t torn_ = 0;
};

/// All reads that a case timed so far, if they are to be kept in a file.
class KeptTimes {
 public:
  explicit KeptTimes(std::string path) : path_(std::move(path)) {}
  /// For a file in `folder`, or for none if that is empty.
  [[nodiscard]] static std::shared_ptr<KeptTimes> make(const std::string& folder,
                                                       std::string_view subject, Where where,
                                                       double rate);
  /// Throws std::system_error if the file cannot be written.
  void add(const TimedReads& reads);

 private:
  std::string path_;
  Histogram all_;
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_TIMED_READS_H_
