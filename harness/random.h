// A small seeded generator: every choice of a run is a function of its seed and of who chooses.

#ifndef FSQLSHM_HARNESS_RANDOM_H_
#define FSQLSHM_HARNESS_RANDOM_H_

#include <cstdint>

namespace fsqlshm::harness {

inline constexpr std::uint64_t kGoldenGamma = 0x9e3779b97f4a7c15;

/// One step of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): a bijection that looks random.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x += kGoldenGamma;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// SplitMix64. Seeds that differ in one bit give unrelated sequences.
class Random {
 public:
  constexpr explicit Random(std::uint64_t seed = 0) noexcept : state_(seed) {}

  constexpr std::uint64_t next() noexcept {
    const std::uint64_t value = mix(state_);
    state_ += kGoldenGamma;
    return value;
  }
  /// 0 to bound - 1; slightly uneven, which does not matter here. REQUIRES: bound > 0.
  constexpr std::uint64_t below(std::uint64_t bound) noexcept { return next() % bound; }
  constexpr bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_RANDOM_H_
