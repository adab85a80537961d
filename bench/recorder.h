// Latencies: a clock that costs little, and a histogram that keeps the tail.

#ifndef FSQLSHM_BENCH_RECORDER_H_
#define FSQLSHM_BENCH_RECORDER_H_

#include <array>
#include <bit>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace fsqlshm::bench {

/// Counts of whole numbers, exact below 2048 and to 1 part in 1024 above, in fixed memory: the
/// bucket layout of HdrHistogram (G. Tene) with three significant digits.
class Histogram {
 public:
  /// Values from here on are counted as this one less.
  static constexpr std::uint64_t kLimit = std::uint64_t{1} << 42;
  static constexpr int kSubBits = 11;

  Histogram();

  void record(std::uint64_t value) noexcept {
    const std::uint64_t clipped = value < kLimit ? value : kLimit - 1;
    ++counts_[index_of(clipped)];
    ++total_;
    max_ = value > max_ ? value : max_;
  }
  void add(const Histogram& other) noexcept;

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  [[nodiscard]] double mean() const noexcept;
  [[nodiscard]] double deviation() const noexcept;

  /// The smallest value v such that `percentile` (0 to 100) per cent of what was recorded is at
  /// most v; the top of v's bucket, but never above max(). 0 if nothing was recorded.
  [[nodiscard]] std::uint64_t at_percentile(double percentile) const noexcept;

  /// The percentile distribution as HdrHistogram prints it (.hgrm), values times `unit`, a line for
  /// each value that was recorded.
  [[nodiscard]] std::string hgrm(double unit) const;

 private:
  static constexpr std::uint64_t kHalf = std::uint64_t{1} << (kSubBits - 1);

  // Values below 2^11 have a bucket each; above, each power of two has 2^10 buckets.
  static constexpr std::size_t index_of(std::uint64_t value) noexcept {
    const auto width = static_cast<int>(std::bit_width(value | (2 * kHalf - 1)));
    const int shift = width - kSubBits;
    return static_cast<std::size_t>(shift) * kHalf + (value >> shift);
  }
  static constexpr std::uint64_t lowest_of(std::size_t index) noexcept {
    if (index < 2 * kHalf) return index;
    const std::size_t shift = index / kHalf - 1;
    return (index - shift * kHalf) << shift;
  }
  static constexpr std::uint64_t highest_of(std::size_t index) noexcept {
    return lowest_of(index + 1) - 1;
  }

  std::vector<std::uint64_t> counts_;
  std::uint64_t total_ = 0;
  std::uint64_t max_ = 0;
};

/// The time stamp counter where there is one, ordered against the work between two readings as
/// Intel describes it (G. Paoloni, "How to Benchmark Code Execution Times", 2010); elsewhere the
/// steady clock.
class Timer {
 public:
  static std::uint64_t start() noexcept {
#if defined(__x86_64__)
    _mm_lfence();
    const std::uint64_t ticks = __rdtsc();
    _mm_lfence();
    return ticks;
#else
    return steady();
#endif
  }
  static std::uint64_t stop() noexcept {
#if defined(__x86_64__)
    unsigned cpu = 0;
    const std::uint64_t ticks = __rdtscp(&cpu);
    _mm_lfence();
    return ticks;
#else
    return steady();
#endif
  }

  /// Measures the length of a tick against the steady clock; takes 50 ms.
  [[nodiscard]] static double ns_per_tick();

 private:
  static std::uint64_t steady() noexcept {
    return static_cast<std::uint64_t>(std::chrono::steady_clock::now().time_since_epoch() /
                                      std::chrono::nanoseconds(1));
  }
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_RECORDER_H_
