// What `open` and `validate` must answer, decided from the wire table alone.

#ifndef FSQLSHM_FUZZ_ORACLE_H_
#define FSQLSHM_FUZZ_ORACLE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "fuzz/wire.h"

namespace fsqlshm::fuzz {

/// The five refusals, in the order in which they apply.
enum class Judgement : std::uint8_t {
  kAccept,
  kTooSmall,
  kBadMagic,
  kVersionMismatch,
  kInvalidPageSize,
  kChecksumMismatch,
};
inline constexpr std::size_t kJudgements = 6;

/// As the library spells it: "bad_magic"; "accept" for kAccept.
[[nodiscard]] std::string_view to_string(Judgement judgement) noexcept;

[[nodiscard]] Judgement judge(Bytes bytes) noexcept;

/// Bytes that the file of this header must have: four regions, in this order, without overlap, all
/// within 2^63-1 bytes. None if they do not fit.
[[nodiscard]] std::optional<std::uint64_t> required_bytes(Bytes header);
/// What opening a file must say that begins with `header` and has `size` bytes: "accept", or the
/// error by the library's name.
[[nodiscard]] std::string_view judge_file(Bytes header, std::uint64_t size);

/// The first 216 of `bytes` with align0 and padding zeroed: what `to_bytes` gives back after an
/// accepted open. REQUIRES: at least 216 bytes.
[[nodiscard]] std::array<std::uint8_t, wire::kSize> canonical(Bytes bytes) noexcept;

/// Whether `found` is canonical(bytes), without making it.
[[nodiscard]] bool is_canonical(Bytes bytes, Bytes found) noexcept;

/// One thing that is wrong with an accepted header.
struct Complaint {
  std::string_view code;  ///< as the library spells it
  std::uint64_t found = 0;
};

/// What `validate` must find in a header that `judge` accepts: at most one for each rule. Valid until
/// the next call.
[[nodiscard]] const std::vector<Complaint>& complaints(Bytes bytes);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_ORACLE_H_
