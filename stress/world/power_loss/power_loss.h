// Power loss: create, first open, publish, allocate, remove and more on a disk that records, and the
// disk as it is if the power goes off at any moment of them, opened as after a reboot. W4 must hold:
// what was acknowledged as durable is there, no id is handed out twice, no owner is left over, no
// stale triple is accepted, no file is unreadable.
//
// What is tried: each operation runs once undisturbed, and once for every moment (system call or
// atomic step) and each kind of writeback that the kernel may do at it. In each of these runs the power
// goes off after every block that is written. The blocks that were written since the disk's last
// flush may be there or not: all of them, and some of them chosen at random.
//
// What it cannot see: blocks that the disk tears, writes that a disk reorders across a flush, more than
// one writeback in an operation, a file system's own faults.

#ifndef FSQLSHM_STRESS_WORLD_POWER_LOSS_POWER_LOSS_H_
#define FSQLSHM_STRESS_WORLD_POWER_LOSS_POWER_LOSS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "harness/result.h"
#include "harness/run.h"
#include "stress/world/power_loss/recording.h"

namespace fsqlshm::world::power_loss {

struct Options {
  bool quick = false;                       ///< some of the images, on ext4 alone
  std::vector<std::string> operations{};    ///< these alone; empty: all
  std::vector<std::string> file_systems{};  ///< these alone; empty: all
  Mutant mutant = Mutant::kNone;
  harness::Shard shard{};
  std::uint64_t seed = 1;  ///< of the blocks that are lost
  bool quiet = false;
  std::string program = "fsqlshm-world";  ///< as it was called
};

/// Adds to `result`:
///   counts.power_loss_images   disks that were judged
///   counts.power_loss_runs     recordings that they were made from
///   counts.skipped             file systems, or 1 if none could be tried
///   details.power_loss         list of {file_system, operation, moments, runs, images, blocks_lost,
///                              file_missing, drafts_left, found}
///   details.skipped            {what: why}
/// A finding is a property that did not hold; its detail begins with the name of the first image and
/// ends with what was written to the disk.
void run_power_loss(const Options& options, harness::Result& result);

/// Tries one image again and prints its story: "ext4/create/data@12/cut 34/drop 1". Throws
/// std::runtime_error for a name that names nothing.
void replay_power_loss(std::string_view image, const Options& options, harness::Result& result);

/// Why no file system can be tried here; empty: one can.
[[nodiscard]] std::string obstacle_to_power_loss();

/// "draft-not-synced" and so on; "none".
[[nodiscard]] std::string_view name_of(Mutant mutant);
[[nodiscard]] const std::vector<Mutant>& mutants();

}  // namespace fsqlshm::world::power_loss

#endif  // FSQLSHM_STRESS_WORLD_POWER_LOSS_POWER_LOSS_H_
