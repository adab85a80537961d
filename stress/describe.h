// What a header's words say about the writer, and its fields as JSON.

#ifndef FSQLSHM_STRESS_DESCRIBE_H_
#define FSQLSHM_STRESS_DESCRIBE_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "fsqlshm/process.h"
#include "fsqlshm/shared_memory_layout.h"

namespace fsqlshm::stress {

/// The fields as a list of objects: name, offset, size, hex, and value for integers.
[[nodiscard]] nlohmann::json header_fields(const HeaderBytes& bytes);

enum class WriterState : std::uint8_t { kFree, kOwned, kClaiming, kCleaning, kUnknown };

/// Who the writer is.
struct WriterReport {
  WriterState state = WriterState::kFree;
  std::uint64_t id = 0;       ///< the owner's, else 0
  ProcessIdentity process{};  ///< pid 0: unknown
  bool alive = true;          ///< true also where that cannot be told
  std::uint32_t generation = 0;
  std::uint64_t lease_expiry = 0;  ///< seconds since the epoch, 0: none
  std::int64_t lease_left = 0;     ///< seconds; negative: run out
  bool stale = false;              ///< the next check clears it
};
[[nodiscard]] WriterReport writer_report(const HeaderBytes& bytes, std::uint64_t now_epoch_secs);

/// One or two sentences.
[[nodiscard]] std::string writer_text(const WriterReport& report);
[[nodiscard]] std::string_view to_string(WriterState state);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_DESCRIBE_H_
