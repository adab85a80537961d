// Compares an `open` with the oracle, on one input.

#ifndef FSQLSHM_FUZZ_CHECK_OPEN_H_
#define FSQLSHM_FUZZ_CHECK_OPEN_H_

#include <array>
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
#include "fuzz/subject_under_test.h"
#include "fuzz/target.h"
#include "fuzz/wire.h"

namespace fsqlshm::fuzz {

/// Everything that an accepted layout says about itself.
struct Accessed {
  HeaderBytes bytes;
  std::array<std::uint64_t, 12> values;
};

template <class Layout>
[[nodiscard]] Accessed access(const Layout& layout) {
  return {.bytes = layout.to_bytes(),
          .values = {layout.page_size().get(), layout.max_txn_slots(),
                     layout.load_commit_seq().get(), layout.load_schema_epoch().get(),
                     layout.load_ecs_epoch(), layout.load_gc_horizon().get(),
                     layout.lock_table_offset(), layout.witness_offset(), layout.txn_slot_offset(),
                     layout.committed_readers_offset(), layout.committed_readers_bytes(),
                     layout.layout_checksum()}};
}

/// What one of the ways to open a header answered.
struct Opened {
  std::string_view way;
  const ShmError* error = nullptr;     ///< null: it was accepted
  const Accessed* accessed = nullptr;  ///< null: the accessors were not looked at
};

/// What an answer has to be.
struct Expected {
  std::optional<ShmErrorCode> error;  ///< none: an acceptance
  std::string_view name;              ///< the error's, in the oracle's spelling, or "accept"
};

/// What `open` has to answer to bytes that are judged so.
[[nodiscard]] Expected expect(Judgement judgement) noexcept;
/// The same for `input` in place: size comes first, then the address, and the words are read only
/// if they can be.
[[nodiscard]] Expected expect_in_place(Judgement judgement, Bytes input) noexcept;

/// Whether this input is one of the few, by its own bytes, for which `validate` and the accessors
/// in place are checked too: they cost several times what `open` does.
[[nodiscard]] inline bool look_closely(Bytes input) noexcept {
  return input.size() < wire::kSize || input[wire::kChecksum] % 16 == 0;
}
/// Of these, the still fewer for which the texts of errors are checked.
[[nodiscard]] inline bool read_texts(Bytes input) noexcept {
  return (input.size() < wire::kSize ? input.size() : input[wire::kChecksum]) % 64 == 0;
}

/// Compares an answer with what `expected` and the bytes of `input` ask for.
[[nodiscard]] std::optional<Failure> check_answer(const Opened& answer, const Expected& expected,
                                                  Bytes input);

template <class Layout>
[[nodiscard]] std::optional<Failure> check_opened(std::string_view way,
                                                  const std::expected<Layout, ShmError>& opened,
                                                  bool with_accessors, const Expected& expected,
                                                  Bytes input) {
  if (!opened) return check_answer({.way = way, .error = &opened.error()}, expected, input);
  if (!with_accessors) return check_answer({.way = way}, expected, input);
  const Accessed accessed = access(*opened);
  return check_answer({.way = way, .accessed = &accessed}, expected, input);
}

/// `found` is what `validate` said about the accepted header `input`.
[[nodiscard]] std::optional<Failure> check_validate(Bytes input,
                                                    const std::vector<ShmError>& found);

/// Opens `input`, at any alignment, as a copy and in place, and validates it.
/// `Owned` and `InPlace` are the layouts under test.
template <class Owned, class InPlace>
std::optional<Failure> check_open(MutableBytes input, Judgement judgement) {
  const std::span<std::byte> bytes = std::as_writable_bytes(input);
  const bool closely = look_closely(input);
  if (auto failure = check_opened("open", Owned::open(bytes), true, expect(judgement), input)) {
    return failure;
  }
  if (auto failure = check_opened("open in place", InPlace::open(bytes), closely,
                                  expect_in_place(judgement, input), input)) {
    return failure;
  }
  if (judgement != Judgement::kAccept || !closely) return std::nullopt;
  return check_validate(input, validate(bytes));
}

/// A copy of `input`, at most Placed::kCapacity bytes, at an alignment that the input's last byte
/// chooses, with nothing readable behind it (AddressSanitizer sees to that). One at a time.
class Placed {
 public:
  static constexpr std::size_t kCapacity = 4096;

  explicit Placed(Bytes input);
  ~Placed();
  Placed(const Placed&) = delete;
  Placed& operator=(const Placed&) = delete;

  [[nodiscard]] MutableBytes bytes() const noexcept { return bytes_; }

 private:
  MutableBytes bytes_;
};

/// Adds to the counter of that judgement.
void count_outcome(Judgement judgement) noexcept;

/// The body of open_raw and, with `kSealed`, of open_sealed: the checksum is made right first.
template <class Owned, class InPlace, bool kSealed = false>
std::optional<Failure> run_open(Bytes input) {
  Placed placed(input);
  if constexpr (kSealed) wire::seal(placed.bytes());
  const Judgement expected = judge(placed.bytes());
  count_outcome(expected);
  auto failure = check_open<Owned, InPlace>(placed.bytes(), expected);
  // After the library, whose instrumentation guides the engine.
  if (g_subject_given && !failure) [[unlikely]]
    return open_on_subject(placed.bytes(), expected);
  return failure;
}

/// The reducer's view of a header: its fields, with the values of a fresh one.
[[nodiscard]] std::vector<Unit> header_units(Bytes input);

// Magic, sizes, and values at the edges of what fields allow.
inline constexpr std::array<DictionaryEntry, 13> kHeaderDictionary = {{
    {"magic", {"FSQLSHM\0", 8}},
    {"version", {"\1\0\0\0", 4}},
    {"page_512", {"\0\2\0\0", 4}},
    {"page_4096", {"\0\x10\0\0", 4}},
    {"page_65536", {"\0\0\1\0", 4}},
    {"page_131072", {"\0\0\2\0", 4}},
    {"slots_128", {"\x80\0\0\0", 4}},
    {"slots_max", "\xff\xff\xff\xff"},
    {"header_size", {"\xd8\0\0\0\0\0\0\0", 8}},
    {"id_max", "\xff\xff\xff\xff\xff\xff\xff\x3f"},
    {"id_limit", {"\0\0\0\0\0\0\0\x40", 8}},
    {"cleaning", {"\0\0\0\0\0\0\0\x80", 8}},
    {"unused_tag", {"\0\0\0\0\0\0\0\xc0", 8}},
}};

/// What all targets of headers have in common.
template <auto kRun>
[[nodiscard]] constexpr Target header_target(std::string_view name) {
  return {.name = name,
          .max_size = 512,
          .run = kRun,
          .mutate = mutate_header,
          .cross = cross_headers,
          .units = header_units,
          .option = subject_option,
          .takes_subject = true,
          .dictionary = kHeaderDictionary};
}

/// open_sealed, on any layout.
template <class Owned, class InPlace>
[[nodiscard]] constexpr Target sealed_target(std::string_view name) {
  Target target = header_target<run_open<Owned, InPlace, true>>(name);
  target.repair = wire::seal;
  return target;
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_CHECK_OPEN_H_
