// A scribbler (W8): a process that may write to the file and writes anything, to all of its words and,
// in the second half of a run, to its size and its name, while others go on using it.
//
// What must hold: every bounded call returns after a bounded number of atomic steps; no signal, and no
// report of a sanitizer. Truncating a file kills processes that touch their mapping of it (SIGBUS),
// which is documented; so those who only open the file and read its header must not be hit.
//
// What cannot hold: that a triple was published, and not made up, cannot be told in this format. How
// often readers accepted one that was not is counted.

#ifndef FSQLSHM_STRESS_WORLD_SCRIBBLER_SCRIBBLER_H_
#define FSQLSHM_STRESS_WORLD_SCRIBBLER_SCRIBBLER_H_

#include <cstdint>
#include <filesystem>

#include "harness/result.h"

namespace fsqlshm::world {

struct ScribblerOptions {
  double seconds = 4;
  std::uint64_t seed = 1;
  std::filesystem::path dir{};  ///< where the file lies; empty: tmpfs
  bool quiet = false;
};

/// Adds to `result`:
///   counts.scribbled             words and files that were written to
///   counts.calls                 of the file layer meanwhile
///   counts.reads                 triples that readers accepted
///   counts.accepted_unpublished  of these, triples that nobody published
///   counts.accepted_stale        and triples that had been replaced when the read began
///   counts.truncated_users       that were killed by SIGBUS
///   details.scribbler            list of {call, times, max_steps}
///   details.scribbler_errors     {error: how often}
void run_scribbler(const ScribblerOptions& options, harness::Result& result);

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_SCRIBBLER_SCRIBBLER_H_
