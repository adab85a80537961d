// What must hold of a disk after a power loss: its file system is mounted again, and a process that
// knows nothing of the time before opens the database that was on it.

#ifndef FSQLSHM_STRESS_WORLD_POWER_LOSS_NEWCOMER_H_
#define FSQLSHM_STRESS_WORLD_POWER_LOSS_NEWCOMER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "stress/world/power_loss/recording.h"

namespace fsqlshm::world::power_loss {

struct Problem {
  std::string property;  ///< "W4 first opener"
  std::string title;
  std::string detail;
  /// Says nothing about the file layer: the file system or the database lost something.
  bool of_the_harness = false;
};

struct AfterPowerLoss {
  std::optional<Problem> problem{};
  bool file_was_there = false;
  std::uint64_t drafts_left = 0;  ///< files in the making that the power loss left behind
};

/// Puts `text`, cut to fit, into zeroed memory that processes share.
template <std::size_t kSize>
void put(std::array<char, kSize>& to, std::string_view text) {
  text.copy(to.data(), kSize - 1);
}

/// `ruined`: a file under the name need not be whole before it was promised to be.
[[nodiscard]] AfterPowerLoss judge_after_power_loss(const FileSystem& type, const DiskImage& disk,
                                                    const Promises& promised, bool ruined,
                                                    Database::Faith faith);

}  // namespace fsqlshm::world::power_loss

#endif  // FSQLSHM_STRESS_WORLD_POWER_LOSS_NEWCOMER_H_
