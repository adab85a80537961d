// Replays vectors that were made by running the Rust original, on either protocol or on a subject.
//
// A folder of vectors holds three JSON Lines files:
//   headers.jsonl  creation: page_size, requested_max_txn_slots, the derived fields, bytes
//   open.jsonl     id, bytes, result ("ok" or an error's name), reserialized (if ok)
//   traces.jsonl   id, initial bytes, ops: a list of {op, args, ret, bytes after it}
// Bytes are hexadecimal text, integers go up to 2^64-1, null is "none".

#ifndef FSQLSHM_TOOLS_GOLDEN_REPLAY_H_
#define FSQLSHM_TOOLS_GOLDEN_REPLAY_H_

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "harness/guarded.h"
#include "harness/subject.h"

namespace fsqlshm::golden {

/// The vectors cannot be read or are not of the format above. what() names file and line.
class BadVectors : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Report {
  std::uint64_t headers = 0;      ///< creations compared
  std::uint64_t opens = 0;        ///< open() calls compared
  std::uint64_t traces = 0;       ///< traces replayed
  std::uint64_t steps = 0;        ///< operations in them
  std::uint64_t differences = 0;  ///< vectors that did not match; a trace stops at its first
  std::string first_difference;   ///< for a person; empty if there is none
};

/// Throws BadVectors; also for a missing or empty file, so that nothing passes by being absent.
template <class Protocol>
[[nodiscard]] Report replay(const std::filesystem::path& folder);

/// The same through the C interface, on one header in `memory`. For a child (guarded.h): the subject may
/// crash. It is told of each vector and of each call.
[[nodiscard]] Report replay(const std::filesystem::path& folder, const harness::Subject& subject,
                            const harness::SubjectMemory& memory, harness::Doing& doing);

}  // namespace fsqlshm::golden

#endif  // FSQLSHM_TOOLS_GOLDEN_REPLAY_H_
