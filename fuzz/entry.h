// One input through a target, and how a failure is told.

#ifndef FSQLSHM_FUZZ_ENTRY_H_
#define FSQLSHM_FUZZ_ENTRY_H_

#include "fuzz/target.h"

namespace fsqlshm::fuzz {

/// The text of a failure. The first line names the target and the property: what tells findings
/// apart. What the input does is left out if `input` is null.
[[nodiscard]] std::string report(const Target& target, const Failure& failure, const Bytes* input);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_ENTRY_H_
