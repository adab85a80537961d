// The values that the header carries, one type each, so that they cannot be mixed up.

#ifndef FSQLSHM_TYPES_H_
#define FSQLSHM_TYPES_H_

#include <compare>
#include <cstdint>
#include <expected>

#include "fsqlshm/error.h"

namespace fsqlshm {

/// A transaction id: 1 to 2^62-1. There is no way to make one outside of that domain.
class TxnId {
 public:
  /// The largest id.
  static constexpr std::uint64_t kMaxRaw = (std::uint64_t{1} << 62) - 1;

  /// Fails with kTxnIdOutOfDomain.
  [[nodiscard]] static constexpr std::expected<TxnId, ShmError> from_raw(std::uint64_t raw) {
    if (!in_domain(raw)) return std::unexpected(ShmError(ShmErrorCode::kTxnIdOutOfDomain, raw));
    return TxnId(raw);
  }
  /// Whether `raw` is an id.
  [[nodiscard]] static constexpr bool in_domain(std::uint64_t raw) noexcept {
    return raw != 0 && raw <= kMaxRaw;
  }

  /// The id as a number.
  [[nodiscard]] constexpr std::uint64_t get() const noexcept { return raw_; }
  /// By number.
  friend constexpr auto operator<=>(TxnId, TxnId) noexcept = default;

 private:
  constexpr explicit TxnId(std::uint64_t raw) noexcept : raw_(raw) {}
  std::uint64_t raw_;
};

/// A database page size in bytes: a power of two, 512 to 65536.
class PageSize {
 public:
  static constexpr std::uint32_t kMin = 512;    ///< bytes
  static constexpr std::uint32_t kMax = 65536;  ///< bytes

  /// 4096 bytes, the database's default.
  constexpr PageSize() noexcept : bytes_(4096) {}

  /// Fails with kInvalidPageSize.
  [[nodiscard]] static constexpr std::expected<PageSize, ShmError> from_raw(std::uint32_t bytes) {
    if (bytes < kMin || bytes > kMax || (bytes & (bytes - 1)) != 0) {
      return std::unexpected(ShmError(ShmErrorCode::kInvalidPageSize, bytes));
    }
    return PageSize(bytes);
  }

  /// Bytes.
  [[nodiscard]] constexpr std::uint32_t get() const noexcept { return bytes_; }
  /// By bytes.
  friend constexpr auto operator<=>(PageSize, PageSize) noexcept = default;

 private:
  constexpr explicit PageSize(std::uint32_t bytes) noexcept : bytes_(bytes) {}
  std::uint32_t bytes_;
};

/// The sequence number of a commit; any 64-bit value.
class CommitSeq {
 public:
  /// From a number.
  constexpr explicit CommitSeq(std::uint64_t raw = 0) noexcept : raw_(raw) {}
  /// The sequence number.
  [[nodiscard]] constexpr std::uint64_t get() const noexcept { return raw_; }
  /// By number.
  friend constexpr auto operator<=>(CommitSeq, CommitSeq) noexcept = default;

 private:
  std::uint64_t raw_;
};

/// The version of the database schema; any 64-bit value.
class SchemaEpoch {
 public:
  /// From a number.
  constexpr explicit SchemaEpoch(std::uint64_t raw = 0) noexcept : raw_(raw) {}
  /// The version.
  [[nodiscard]] constexpr std::uint64_t get() const noexcept { return raw_; }
  /// By number.
  friend constexpr auto operator<=>(SchemaEpoch, SchemaEpoch) noexcept = default;

 private:
  std::uint64_t raw_;
};

/// The triple that one publish puts in force.
struct ShmSnapshot {
  CommitSeq commit_seq;         ///< the last commit
  SchemaEpoch schema_epoch;     ///< the schema that it needs
  std::uint64_t ecs_epoch = 0;  ///< the epoch of the ECS

  /// All three are equal.
  friend constexpr bool operator==(const ShmSnapshot&, const ShmSnapshot&) noexcept = default;
};

/// What check_serialized_writer_exclusion answers.
enum class Exclusion : std::uint8_t {
  kOk,    ///< no live serialized writer; a stale one was cleared
  kBusy,  ///< a live serialized writer holds the indicator, or is about to
};

}  // namespace fsqlshm

#endif  // FSQLSHM_TYPES_H_
