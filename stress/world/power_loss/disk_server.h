// The server of a recording disk: one file over FUSE.

#ifndef FSQLSHM_STRESS_WORLD_POWER_LOSS_DISK_SERVER_H_
#define FSQLSHM_STRESS_WORLD_POWER_LOSS_DISK_SERVER_H_

#include <cstddef>
#include <span>

#include "stress/world/power_loss/disk.h"

namespace fsqlshm::world::power_loss {

/// Answers requests from `channel` (/dev/fuse) until there is nobody who has the file mounted.
void serve_disk(int channel, std::span<std::byte> disk, DiskLog& log);

}  // namespace fsqlshm::world::power_loss

#endif  // FSQLSHM_STRESS_WORLD_POWER_LOSS_DISK_SERVER_H_
