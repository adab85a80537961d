// Bytes of the target `schedule` for inputs that are written by hand.

#ifndef FSQLSHM_FUZZ_TESTING_ENCODE_SCHEDULE_H_
#define FSQLSHM_FUZZ_TESTING_ENCODE_SCHEDULE_H_

#include <cstdint>

#include "fuzz/schedule.h"

namespace fsqlshm::fuzz {

/// The first byte that `decode` makes something of that `fits`.
std::uint8_t first_byte(const auto& decode, const auto& fits) {
  std::uint8_t byte = 0;
  while (!fits(decode(byte))) ++byte;
  return byte;
}

inline std::uint8_t encode_op(Op op) {
  return first_byte(decode_op, [op](Op decoded) { return decoded == op; });
}

/// A turn of `steps` (1 to 24, 1000 for "to the end").
inline std::uint8_t encode_run(std::size_t thread, int steps) {
  return first_byte(decode_decision, [&](const Decision& decision) {
    return decision.kind == Decision::kRun && decision.thread == thread && decision.steps >= steps;
  });
}

inline std::uint8_t encode_kill(std::size_t thread) {
  return first_byte(decode_decision, [&](const Decision& decision) {
    return decision.kind == Decision::kKill && decision.thread == thread;
  });
}

inline constexpr std::uint8_t kTimePassesByte = 0xf8;

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_TESTING_ENCODE_SCHEDULE_H_
