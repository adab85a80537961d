#include "recorder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>
#include <string>
#include <vector>

namespace fsqlshm::bench {
namespace {

// The definition: the smallest value that at least so many per cent are at or below.
std::uint64_t exact(std::vector<std::uint64_t> values, double percentile) {
  std::ranges::sort(values);
  const double share = percentile / 100 * static_cast<double>(values.size());
  const auto rank = std::max<std::size_t>(1, static_cast<std::size_t>(std::ceil(share - 1e-6)));
  return values[std::min(rank, values.size()) - 1];
}

constexpr double kPercentiles[] = {0, 1, 50, 90, 99, 99.9, 99.99, 100};

TEST(Histogram, IsExactBelow2048) {
  std::mt19937_64 random(1);
  for (const std::size_t size : {1UZ, 2UZ, 10UZ, 1000UZ, 12345UZ}) {
    Histogram histogram;
    std::vector<std::uint64_t> values(size);
    for (auto& value : values) histogram.record(value = random() % 2048);
    for (const double percentile : kPercentiles) {
      EXPECT_EQ(histogram.at_percentile(percentile), exact(values, percentile))
          << percentile << " of " << size;
    }
  }
}

TEST(Histogram, IsAtMostOneInAThousandHighAbove) {
  std::mt19937_64 random(2);
  Histogram histogram;
  std::vector<std::uint64_t> values(100'000);
  // Spread over all magnitudes up to 2^41.
  for (auto& value : values) histogram.record(value = random() >> (23 + random() % 41));
  for (const double percentile : kPercentiles) {
    const std::uint64_t want = exact(values, percentile);
    const std::uint64_t got = histogram.at_percentile(percentile);
    EXPECT_GE(got, want) << percentile;
    EXPECT_LE(got, want + want / 1024) << percentile;
  }
  EXPECT_EQ(histogram.max(), *std::ranges::max_element(values));
  EXPECT_EQ(histogram.total(), values.size());
}

TEST(Histogram, EveryBucketBoundaryIsFoundAgain) {
  for (int bit = 0; bit < 42; ++bit) {
    for (const std::int64_t off : {-1, 0, 1}) {
      const std::uint64_t value =
          static_cast<std::uint64_t>((std::int64_t{1} << bit) + off) % Histogram::kLimit;
      Histogram histogram;
      histogram.record(value);
      EXPECT_EQ(histogram.at_percentile(50), value);  // the top of its bucket, but at most the max
      histogram.record(Histogram::kLimit - 1);
      EXPECT_GE(histogram.at_percentile(50), value);
      EXPECT_LE(histogram.at_percentile(50), value + value / 1024);
    }
  }
}

TEST(Histogram, MeanAndDeviation) {
  Histogram histogram;
  for (const std::uint64_t value : {2U, 4U, 4U, 4U, 5U, 5U, 7U, 9U}) histogram.record(value);
  EXPECT_DOUBLE_EQ(histogram.mean(), 5);
  EXPECT_DOUBLE_EQ(histogram.deviation(), 2);
}

TEST(Histogram, AddsUp) {
  Histogram one;
  Histogram two;
  Histogram both;
  for (std::uint64_t value = 0; value < 10'000; ++value) {
    (value % 3 == 0 ? one : two).record(value * value);
    both.record(value * value);
  }
  one.add(two);
  for (const double percentile : kPercentiles) {
    EXPECT_EQ(one.at_percentile(percentile), both.at_percentile(percentile));
  }
  EXPECT_EQ(one.total(), both.total());
  EXPECT_EQ(one.max(), both.max());
  EXPECT_DOUBLE_EQ(one.mean(), both.mean());
}

TEST(Histogram, ClipsWhatIsOutOfRange) {
  Histogram histogram;
  histogram.record(~std::uint64_t{0});
  EXPECT_EQ(histogram.at_percentile(50), Histogram::kLimit - 1);
  EXPECT_EQ(histogram.max(), ~std::uint64_t{0});
  EXPECT_EQ(Histogram().at_percentile(99), 0U);
}

// What plotters of .hgrm files read: four columns, rising, up to a last line at 1 without the
// fourth, then comments.
TEST(Hgrm, HasTheShapeThatPlottersRead) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 1000; ++value) histogram.record(value);
  std::istringstream text(histogram.hgrm(0.5));
  std::string line;
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_EQ(line, "       Value     Percentile TotalCount 1/(1-Percentile)");
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_EQ(line, "");
  double last_value = 0;
  double last_percentile = -1;
  std::uint64_t last_count = 0;
  int lines = 0;
  while (std::getline(text, line) && line[0] != '#') {
    ++lines;
    std::istringstream fields(line);
    double value = 0;
    double percentile = 0;
    std::uint64_t count = 0;
    ASSERT_TRUE(fields >> value >> percentile >> count) << line;
    EXPECT_GE(value, last_value) << line;
    EXPECT_GT(percentile, last_percentile) << line;
    EXPECT_GE(count, last_count) << line;
    // Values 1 to 1000 at half their size: the count is the value.
    EXPECT_DOUBLE_EQ(value, static_cast<double>(count) / 2) << line;
    EXPECT_GE(static_cast<double>(count), percentile * 1000 - 1e-6) << line;
    double inverse = 0;
    if (fields >> inverse) {
      EXPECT_NEAR(inverse, 1 / (1 - percentile), 0.01) << line;
    } else {
      EXPECT_EQ(percentile, 1) << line;
    }
    last_value = value;
    last_percentile = percentile;
    last_count = count;
  }
  EXPECT_EQ(last_percentile, 1);
  EXPECT_EQ(last_count, 1000U);
  EXPECT_EQ(last_value, 500);
  EXPECT_GT(lines, 30);
  EXPECT_EQ(line, "#[Mean    =      250.250, StdDeviation   =      144.337]");
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_EQ(line, "#[Max     =      500.000, Total count    =         1000]");
  ASSERT_TRUE(std::getline(text, line));
  EXPECT_TRUE(line.starts_with("#[Buckets = ")) << line;
  EXPECT_FALSE(std::getline(text, line));
}

TEST(Hgrm, OfNothingIsWellFormed) {
  EXPECT_NE(Histogram().hgrm(1).find("1.000000000000          0\n#[Mean"), std::string::npos)
      << Histogram().hgrm(1);
}

TEST(Timer, RunsForwardAtAKnownSpeed) {
  const double ns_per_tick = Timer::ns_per_tick();
  EXPECT_GT(ns_per_tick, 0.01);
  EXPECT_LT(ns_per_tick, 1000);
  const std::uint64_t start = Timer::start();
  EXPECT_GE(Timer::stop(), start);
}

}  // namespace
}  // namespace fsqlshm::bench
