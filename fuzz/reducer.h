// Makes a failing input as plain as it can be while it still fails in the same way.

#ifndef FSQLSHM_FUZZ_REDUCER_H_
#define FSQLSHM_FUZZ_REDUCER_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "fuzz/target.h"

namespace fsqlshm::fuzz {

/// Drops records, then bytes from the end, then resets one unit at a time to its plain content, and
/// starts again until nothing more goes. `still_fails` decides; it holds for `input`.
[[nodiscard]] std::vector<std::uint8_t> reduce(const Target& target,
                                               std::vector<std::uint8_t> input,
                                               const std::function<bool(Bytes)>& still_fails);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_REDUCER_H_
