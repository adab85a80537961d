// What a header's words say about the writer, and its fields as JSON.

#ifndef FSQLSHM_STRESS_DESCRIBE_H_
#define FSQLSHM_STRESS_DESCRIBE_H_

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "fsqlshm/process.h"
#include "fsqlshm/shared_memory_layout.h"

namespace fsqlshm::stress {

/// The fields as a list of objects: name, offset, size, hex, and value for integers.
[[nodiscard]] nlohmann::json header_fields(const HeaderBytes& bytes);

/// Who the writer is.
struct WriterReport {
  std::string_view state;       ///< "free", "owned", "claiming", "cleaning" or "unknown"
  std::uint64_t id = 0;         ///< the owner's, else 0
  ProcessIdentity process{};    ///< pid 0: unknown
  std::optional<bool> alive{};  ///< none: cannot be told
  std::uint32_t generation = 0;
  std::uint64_t lease_expiry = 0;  ///< since the epoch, 0: none
  /// What the lease is in: "s", or what it must be meant in ("ms", "us", "ns"), or "?".
  std::string_view lease_unit = "s";
  std::int64_t lease_left = 0;  ///< seconds; negative: over; 0 if the unit is unknown
  bool stale = false;           ///< the next check clears it

  /// One or two sentences.
  [[nodiscard]] std::string text() const;
};
/// Whether the open of a file with this pid and birth lives; none: cannot be told.
using Liveness = std::function<std::optional<bool>(std::uint32_t pid, std::uint64_t birth)>;
[[nodiscard]] WriterReport writer_report(const HeaderBytes& bytes, std::uint64_t now_epoch_secs,
                                         const Liveness& liveness);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_DESCRIBE_H_
