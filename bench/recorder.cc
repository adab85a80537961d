#include "recorder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <thread>

namespace fsqlshm::bench {

Histogram::Histogram() : counts_(index_of(kLimit - 1) + 1) {}

void Histogram::add(const Histogram& other) noexcept {
  for (std::size_t i = 0; i < counts_.size(); ++i) counts_[i] += other.counts_[i];
  total_ += other.total_;
  max_ = std::max(max_, other.max_);
}

double Histogram::mean() const noexcept {
  if (total_ == 0) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    const double middle = 0.5 * static_cast<double>(lowest_of(i) + highest_of(i));
    sum += static_cast<double>(counts_[i]) * middle;
  }
  return sum / static_cast<double>(total_);
}

double Histogram::deviation() const noexcept {
  if (total_ == 0) return 0;
  const double average = mean();
  double sum = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    if (counts_[i] == 0) continue;
    const double off = 0.5 * static_cast<double>(lowest_of(i) + highest_of(i)) - average;
    sum += static_cast<double>(counts_[i]) * off * off;
  }
  return std::sqrt(sum / static_cast<double>(total_));
}

std::uint64_t Histogram::at_percentile(double percentile) const noexcept {
  if (total_ == 0) return 0;
  const double share = std::clamp(percentile, 0.0, 100.0) / 100 * static_cast<double>(total_);
  // The small constant keeps 99.9 % of 1000 at 999, whatever the rounding of 99.9 / 100.
  const auto rank = std::max<std::uint64_t>(
      1, static_cast<std::uint64_t>(std::ceil(share - 1e-9 * static_cast<double>(total_))));
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size(); ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(highest_of(i), max_);
  }
  return max_;
}

std::string Histogram::hgrm(double unit) const {
  const auto scaled = [&](std::uint64_t value) { return static_cast<double>(value) * unit; };
  std::string text = fmt::format("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile",
                                 "TotalCount", "1/(1-Percentile)");
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < counts_.size() && seen + counts_[i] < total_; ++i) {
    if (counts_[i] == 0) continue;
    seen += counts_[i];
    const double share = static_cast<double>(seen) / static_cast<double>(total_);
    text += fmt::format("{:12.3f} {:.12f} {:>10} {:14.2f}\n", scaled(highest_of(i)), share, seen,
                        1 / (1 - share));
  }
  text += fmt::format("{:12.3f} {:.12f} {:>10}\n", scaled(max_), 1.0, total_);
  text += fmt::format("#[Mean    = {:12.3f}, StdDeviation   = {:12.3f}]\n", mean() * unit,
                      deviation() * unit);
  text += fmt::format("#[Max     = {:12.3f}, Total count    = {:12}]\n", scaled(max_), total_);
  text += fmt::format("#[Buckets = {:12}, SubBuckets     = {:12}]\n", counts_.size() / kHalf - 1,
                      2 * kHalf);
  return text;
}

double Timer::ns_per_tick() {
  using Clock = std::chrono::steady_clock;
  const auto clock_start = Clock::now();
  const std::uint64_t start = Timer::start();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::uint64_t stop = Timer::stop();
  const std::chrono::duration<double, std::nano> passed = Clock::now() - clock_start;
  return passed.count() / static_cast<double>(stop - start);
}

}  // namespace fsqlshm::bench
