#include "fuzz/check_open.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>

#include "fuzz/stats.h"

namespace fsqlshm::fuzz {
namespace {

std::string hex(Bytes bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  text.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string describe(const Complaints& list) {
  std::string text;
  for (std::size_t i = 0; i < list.size(); ++i) {
    text += std::string(list[i].code) + "(" + std::to_string(list[i].found) + ") ";
  }
  return text;
}

std::string describe(const std::vector<ShmError>& list) {
  std::string text;
  for (const ShmError& error : list) {
    text += std::string(to_string(error.code())) + "(" + std::to_string(error.found()) + ") ";
  }
  return text;
}

// The names of Accessed::values and the fields they come from.
struct Accessor {
  std::string_view name;
  std::size_t offset;
  std::size_t size;
};
constexpr std::array<Accessor, 12> kAccessors = {{
    {"page_size", 12, 4},
    {"max_txn_slots", 16, 4},
    {"load_commit_seq", 40, 8},
    {"load_schema_epoch", 48, 8},
    {"load_ecs_epoch", 56, 8},
    {"load_gc_horizon", 64, 8},
    {"lock_table_offset", 104, 8},
    {"witness_offset", 112, 8},
    {"txn_slot_offset", 120, 8},
    {"committed_readers_offset", 128, 8},
    {"committed_readers_bytes", 136, 8},
    {"layout_checksum", 144, 8},
}};

Failure wrong_bytes(std::string_view subject, Bytes expected, Bytes found) {
  std::string field = "?";
  for (const wire::FieldInfo& info : wire::kTable) {
    if (!std::ranges::equal(expected.subspan(info.offset, info.size),
                            found.subspan(info.offset, info.size))) {
      field = info.name;
      break;
    }
  }
  return {.property = std::string(subject) + ": to_bytes differs from the input in " + field,
          .detail = "expected " + hex(expected) + "\nfound    " + hex(found)};
}

std::optional<Failure> check_accepted(std::string_view subject, const Accessed& accessed,
                                      Bytes input) {
  const Bytes found(reinterpret_cast<const std::uint8_t*>(accessed.bytes.data()), wire::kSize);
  if (!is_canonical(input, found)) return wrong_bytes(subject, canonical(input), found);
  for (std::size_t i = 0; i < kAccessors.size(); ++i) {
    const Accessor& accessor = kAccessors[i];
    const std::uint64_t value = accessor.size == 4 ? wire::get32(input, accessor.offset)
                                                   : wire::get64(input, accessor.offset);
    if (accessed.values[i] == value) continue;
    return Failure{.property = std::string(subject) + ": " + std::string(accessor.name) +
                               "() differs from the bytes",
                   .detail = "expected " + std::to_string(value) + ", found " +
                             std::to_string(accessed.values[i])};
  }
  return std::nullopt;
}

std::optional<Failure> check_message(const ShmError& error) {
  const std::string message = error.message();
  const bool one_line = std::ranges::all_of(message, [](char c) { return c >= ' ' && c <= '~'; });
  // 255 is where the library's formatter cuts a text off.
  if (one_line && message.size() >= 10 && message.size() < 255 && message.contains("expected")) {
    return std::nullopt;
  }
  return Failure{.property = "message of " + std::string(to_string(error.code())) +
                             ": not one plain line with what was expected",
                 .detail = message};
}

std::optional<Failure> compare(const Opened& opened, std::string_view expected, Bytes input) {
  const std::string_view found = opened.error ? to_string(opened.error->code()) : "accept";
  if (found != expected) {
    return Failure{.property = std::string(opened.subject) + ": expected " + std::string(expected) +
                               ", found " + std::string(found),
                   .detail = std::to_string(input.size()) +
                             " bytes: " + hex(input.first(std::min(input.size(), wire::kSize)))};
  }
  if (!opened.error) {
    return opened.accessed ? check_accepted(opened.subject, *opened.accessed, input) : std::nullopt;
  }
  return look_closely(input) ? check_message(*opened.error) : std::nullopt;
}

}  // namespace

std::optional<Failure> check_opened(const Opened& opened, Verdict expected, Bytes input) {
  return compare(opened, to_string(expected), input);
}

std::optional<Failure> check_opened_in_place(const Opened& opened, Verdict expected, Bytes input) {
  // Size comes first, then the address: the words are read only if they can be.
  const bool misaligned = reinterpret_cast<std::uintptr_t>(input.data()) % 8 != 0;
  return compare(opened,
                 misaligned && expected != Verdict::kTooSmall ? "misaligned" : to_string(expected),
                 input);
}

std::optional<Failure> check_validate(Bytes input, const std::vector<ShmError>& found) {
  const Complaints expected = complaints(input);
  bool same = found.size() == expected.size();
  for (std::size_t i = 0; same && i < found.size(); ++i) {
    same = to_string(found[i].code()) == expected[i].code && found[i].found() == expected[i].found;
  }
  if (!same) {
    return Failure{.property = "validate: finds something else than the rules say",
                   .detail = "expected " + describe(expected) + "\nfound    " + describe(found) +
                             "\nheader   " + hex(input.first(wire::kSize))};
  }
  if (found.empty()) return std::nullopt;
  return check_message(found[input[wire::kChecksum + 1] % found.size()]);
}

namespace {
// One buffer, made once: an allocation for every input would cost more than `open` does.
alignas(64) constinit std::array<std::uint8_t, Placed::kCapacity + 128> g_place{};
}  // namespace

Placed::Placed(Bytes input) {
  const std::size_t shift = input.empty() ? 0 : input.back() % 8;
  bytes_ = MutableBytes(g_place).subspan(shift, std::min(input.size(), kCapacity));
  ASAN_UNPOISON_MEMORY_REGION(g_place.data(), shift + bytes_.size());
  std::copy_n(input.begin(), bytes_.size(), bytes_.begin());
  ASAN_POISON_MEMORY_REGION(bytes_.data() + bytes_.size(), 64);
}

Placed::~Placed() { ASAN_UNPOISON_MEMORY_REGION(bytes_.data() + bytes_.size(), 64); }

void count_outcome(Verdict verdict) noexcept {
  static Counter counters[kVerdicts] = {
      Counter("accept"),           Counter("too_small"),         Counter("bad_magic"),
      Counter("version_mismatch"), Counter("invalid_page_size"), Counter("checksum_mismatch")};
  counters[static_cast<std::size_t>(verdict)].add();
}

std::vector<Unit> header_units(Bytes input) {
  const auto plain = wire::fresh_header(4096, 128);
  std::vector<Unit> units;
  for (const wire::FieldInfo& field : wire::kTable) {
    if (field.offset + field.size > input.size()) break;
    const auto begin = plain.begin() + static_cast<std::ptrdiff_t>(field.offset);
    units.push_back({.name = std::string(field.name),
                     .offset = field.offset,
                     .plain = {begin, begin + static_cast<std::ptrdiff_t>(field.size)}});
  }
  return units;
}

}  // namespace fsqlshm::fuzz
