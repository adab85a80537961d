// The one printer of header fields: what a word says, in the same words in every trace, table and
// finding.

#ifndef FSQLSHM_HARNESS_DESCRIBE_H_
#define FSQLSHM_HARNESS_DESCRIBE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "fsqlshm/wire_format.h"

namespace fsqlshm::harness {

/// A short text in the object itself: oracles describe words while nothing may be allocated.
class WordText {
 public:
  [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), size_}; }
  [[nodiscard]] std::string str() const { return std::string(view()); }

 private:
  friend WordText describe(Field field, std::uint64_t value);
  std::array<char, 48> text_{};
  std::size_t size_ = 0;
};

/// "id 5", "CLAIMING by pid 101", "pid 101 gen 2", "birth 1001"; a plain number for other words.
[[nodiscard]] WordText describe(Field field, std::uint64_t value);

/// The field's name without the prefix that the words of the serialized writer share.
[[nodiscard]] std::string_view short_name(Field field) noexcept;

/// "hardened/seqlock.h" for a file of the core, the path below the repository elsewhere.
[[nodiscard]] std::string_view source_name(std::string_view path) noexcept;

/// "acq_rel".
[[nodiscard]] std::string_view order_name(std::memory_order order) noexcept;
[[nodiscard]] std::optional<std::memory_order> parse_order(std::string_view name) noexcept;

/// All 22 fields of a header, one line each: offset, hex as it lies in the file, name, value.
[[nodiscard]] std::string header_table(std::span<const std::byte, kHeaderSize> bytes);

/// The bytes of one field in hex, as they lie in the file.
[[nodiscard]] std::string field_hex(std::span<const std::byte, kHeaderSize> bytes,
                                    const FieldSpan& field);
/// One atomic word of a header that was copied.
[[nodiscard]] std::uint64_t word_at(std::span<const std::byte, kHeaderSize> bytes, Field field);
/// The value of an integer field; none for magic and padding.
[[nodiscard]] std::optional<std::uint64_t> field_value(
    std::span<const std::byte, kHeaderSize> bytes, const FieldSpan& field);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_DESCRIBE_H_
