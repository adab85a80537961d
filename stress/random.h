// A small seeded generator: every choice of a run is a function of its seed and of who chooses.

#ifndef FSQLSHM_STRESS_RANDOM_H_
#define FSQLSHM_STRESS_RANDOM_H_

#include <cstdint>

namespace fsqlshm::stress {

/// The finaliser of SplitMix64: a bijection that looks random.
[[nodiscard]] constexpr std::uint64_t mix(std::uint64_t x) noexcept {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class Random {
 public:
  explicit Random(std::uint64_t seed = 0) noexcept : state_(mix(seed) | 1) {}

  std::uint64_t next() noexcept {  // xorshift64*
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return state_ * 0x2545f4914f6cdd1d;
  }
  /// 0 to bound - 1; slightly uneven, which does not matter here. REQUIRES: bound > 0.
  std::uint64_t below(std::uint64_t bound) noexcept { return (next() >> 16) % bound; }
  bool one_in(std::uint64_t n) noexcept { return below(n) == 0; }

 private:
  std::uint64_t state_;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_RANDOM_H_
