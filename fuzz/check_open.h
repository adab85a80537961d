// Compares an `open` with the oracle, on one input.

#ifndef FSQLSHM_FUZZ_CHECK_OPEN_H_
#define FSQLSHM_FUZZ_CHECK_OPEN_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fsqlshm/shared_memory_layout.h"
#include "fuzz/oracle.h"
#include "fuzz/target.h"
#include "fuzz/wire.h"

namespace fsqlshm::fuzz {

namespace internal {

Failure wrong_verdict(std::string_view subject, std::string_view expected, std::string_view found,
                      Bytes input);
Failure wrong_bytes(std::string_view subject, Bytes expected, Bytes found);
Failure wrong_accessor(std::string_view subject, std::string_view accessor, std::uint64_t expected,
                       std::uint64_t found);
std::optional<Failure> check_message(const ShmError& error);
std::optional<Failure> check_validate(Bytes input, const Complaints& expected,
                                      const std::vector<ShmError>& found);

// Every accessor of an accepted layout against the bytes it came from.
template <class Layout>
std::optional<Failure> check_accepted(std::string_view subject, const Layout& layout, Bytes input) {
  const auto expected = canonical(input);
  const HeaderBytes found = layout.to_bytes();
  if (std::memcmp(found.data(), expected.data(), expected.size()) != 0) {
    return wrong_bytes(subject, expected,
                       {reinterpret_cast<const std::uint8_t*>(found.data()), found.size()});
  }
  struct Accessor {
    std::string_view name;
    std::uint64_t expected;
    std::uint64_t found;
  };
  const Accessor accessors[] = {
      {"page_size", wire::get32(input, 12), layout.page_size().get()},
      {"max_txn_slots", wire::get32(input, 16), layout.max_txn_slots()},
      {"load_commit_seq", wire::get64(input, 40), layout.load_commit_seq().get()},
      {"load_schema_epoch", wire::get64(input, 48), layout.load_schema_epoch().get()},
      {"load_ecs_epoch", wire::get64(input, 56), layout.load_ecs_epoch()},
      {"load_gc_horizon", wire::get64(input, 64), layout.load_gc_horizon().get()},
      {"lock_table_offset", wire::get64(input, 104), layout.lock_table_offset()},
      {"witness_offset", wire::get64(input, 112), layout.witness_offset()},
      {"txn_slot_offset", wire::get64(input, 120), layout.txn_slot_offset()},
      {"committed_readers_offset", wire::get64(input, 128), layout.committed_readers_offset()},
      {"committed_readers_bytes", wire::get64(input, 136), layout.committed_readers_bytes()},
      {"layout_checksum", wire::get64(input, 144), layout.layout_checksum()},
  };
  for (const Accessor& a : accessors) {
    if (a.expected != a.found) return wrong_accessor(subject, a.name, a.expected, a.found);
  }
  return std::nullopt;
}

}  // namespace internal

/// Opens `input`, an exact allocation at any alignment, as a copy and in place, and validates it.
/// `Owned` and `InPlace` are the layouts under test.
template <class Owned, class InPlace>
std::optional<Failure> check_open(MutableBytes input, Verdict expected) {
  const std::span<std::byte> bytes = std::as_writable_bytes(input);

  const auto owned = Owned::open(bytes);
  const std::string_view found = owned ? "accept" : to_string(owned.error().code());
  if (found != to_string(expected)) {
    return internal::wrong_verdict("open", to_string(expected), found, input);
  }
  if (!owned) {
    if (auto failure = internal::check_message(owned.error())) return failure;
  } else if (auto failure = internal::check_accepted("open", *owned, input)) {
    return failure;
  }

  const auto in_place = InPlace::open(bytes);
  const bool misaligned = reinterpret_cast<std::uintptr_t>(input.data()) % 8 != 0;
  const std::string_view in_place_expected =
      misaligned && expected != Verdict::kTooSmall ? "misaligned" : to_string(expected);
  const std::string_view in_place_found =
      in_place ? "accept" : to_string(in_place.error().code());
  if (in_place_found != in_place_expected) {
    return internal::wrong_verdict("open in place", in_place_expected, in_place_found, input);
  }
  if (!in_place) {
    if (misaligned) {
      if (auto failure = internal::check_message(in_place.error())) return failure;
    }
  } else if (auto failure = internal::check_accepted("open in place", *in_place, input)) {
    return failure;
  }

  if (expected != Verdict::kAccept) return std::nullopt;
  return internal::check_validate(input, complaints(input), validate(bytes));
}

/// A copy of `input` in an allocation of exactly its size, at an alignment that the input's last
/// byte chooses, so that reads beyond either end are seen.
class Placed {
 public:
  explicit Placed(Bytes input)
      : shift_(input.empty() ? 0 : input.back() % 8), block_(input.size() + shift_) {
    if (!input.empty()) std::memcpy(block_.data() + shift_, input.data(), input.size());
  }
  [[nodiscard]] MutableBytes bytes() { return MutableBytes(block_).subspan(shift_); }

 private:
  std::size_t shift_;
  std::vector<std::uint8_t> block_;
};

/// Adds to the counter of that verdict.
void count_outcome(Verdict verdict) noexcept;

/// The body of open_raw.
template <class Owned, class InPlace>
std::optional<Failure> run_raw(Bytes input) {
  Placed placed(input);
  const Verdict expected = judge(placed.bytes());
  count_outcome(expected);
  return check_open<Owned, InPlace>(placed.bytes(), expected);
}

/// The body of open_sealed.
template <class Owned, class InPlace>
std::optional<Failure> run_sealed(Bytes input) {
  Placed placed(input);
  wire::seal(placed.bytes());
  const Verdict expected = judge(placed.bytes());
  count_outcome(expected);
  return check_open<Owned, InPlace>(placed.bytes(), expected);
}

/// The reducer's view of a header: its fields, with the values of a fresh one.
[[nodiscard]] std::vector<Unit> header_units(Bytes input);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_CHECK_OPEN_H_
