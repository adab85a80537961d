#include "fuzz/check_open.h"

#include <sanitizer/asan_interface.h>

#include <algorithm>

#include "fuzz/stats.h"

namespace fsqlshm::fuzz {
namespace {

std::string describe(std::string_view code, std::uint64_t found) {
  return std::string(code) + "(" + std::to_string(found) + ") ";
}

// What Accessed::values are read from, as indices of the wire table: page_size, max_txn_slots, the
// counters, and all from lock_table_offset to layout_checksum.
constexpr std::array<std::size_t, 12> kAccessed = {2, 3, 7, 8, 9, 10, 15, 16, 17, 18, 19, 20};

std::uint64_t read(const wire::FieldInfo& field, Bytes header) {
  return field.size == 4 ? wire::get32(header, field.offset) : wire::get64(header, field.offset);
}

Failure wrong_bytes(const std::string& way, Bytes expected, Bytes found) {
  std::string field = "?";
  for (const wire::FieldInfo& info : wire::kTable) {
    if (!std::ranges::equal(expected.subspan(info.offset, info.size),
                            found.subspan(info.offset, info.size))) {
      field = info.name;
      break;
    }
  }
  return {.property = way + ": to_bytes differs from the input in " + field,
          .detail = "expected " + wire::hex(expected) + "\nfound    " + wire::hex(found)};
}

// The first accessor that does not say what the bytes do; their number if all do.
std::size_t first_wrong(const Accessed& accessed, Bytes input) {
  std::size_t i = 0;
  while (i < kAccessed.size() && accessed.values[i] == read(wire::kTable[kAccessed[i]], input)) ++i;
  return i;
}

Bytes bytes_of(const Accessed& accessed) {
  return {reinterpret_cast<const std::uint8_t*>(accessed.bytes.data()), wire::kSize};
}

// One plain line that says what was expected, short enough for a log.
bool is_good_message(const std::string& message) {
  return std::ranges::all_of(message, [](char c) { return c >= ' ' && c <= '~'; }) &&
         message.size() >= 10 && message.size() < 255 && message.contains("expected");
}

std::optional<Failure> check_message(const ShmError& error) {
  const std::string message = error.message();
  if (is_good_message(message)) return std::nullopt;
  return Failure{.property = "message of " + std::string(to_string(error.code())) +
                             ": not one plain line with what was expected",
                 .detail = message};
}

// Asked millions of times a second, and always true: it says no more than that.
bool is_right(const Opened& answer, const Expected& expected, Bytes input) {
  if (answer.error != nullptr) {
    if (answer.error->code() != expected.error) return false;
    return !read_texts(input) || (to_string(answer.error->code()) == expected.name &&
                                  is_good_message(answer.error->message()));
  }
  if (expected.error) return false;
  return answer.accessed == nullptr || (is_canonical(input, bytes_of(*answer.accessed)) &&
                                        first_wrong(*answer.accessed, input) == kAccessed.size());
}

// REQUIRES: !is_right(answer, expected, input).
[[gnu::cold]] Failure what_is_wrong(const Opened& answer, const Expected& expected, Bytes input) {
  const std::string way(answer.way);
  const auto error = answer.error != nullptr ? std::optional(answer.error->code()) : std::nullopt;
  const std::string_view found = error ? to_string(*error) : to_string(Judgement::kAccept);
  if (error != expected.error || found != expected.name) {
    return {.property =
                way + ": expected " + std::string(expected.name) + ", found " + std::string(found),
            .detail = std::to_string(input.size()) +
                      " bytes: " + wire::hex(input.first(std::min(input.size(), wire::kSize)))};
  }
  if (answer.error != nullptr) return *check_message(*answer.error);
  const Accessed& accessed = *answer.accessed;
  if (!is_canonical(input, bytes_of(accessed))) {
    return wrong_bytes(way, canonical(input), bytes_of(accessed));
  }
  const std::size_t wrong = first_wrong(accessed, input);
  const wire::FieldInfo& field = wire::kTable[kAccessed[wrong]];
  return {.property = way + ": " + std::string(field.name) + "() differs from the bytes",
          .detail = "expected " + std::to_string(read(field, input)) + ", found " +
                    std::to_string(accessed.values[wrong])};
}

}  // namespace

Expected expect(Judgement judgement) noexcept {
  static constexpr std::array<std::optional<ShmErrorCode>, kJudgements> kErrors = {
      std::nullopt,
      ShmErrorCode::kTooSmall,
      ShmErrorCode::kBadMagic,
      ShmErrorCode::kVersionMismatch,
      ShmErrorCode::kInvalidPageSize,
      ShmErrorCode::kChecksumMismatch};
  return {kErrors[static_cast<std::size_t>(judgement)], to_string(judgement)};
}

Expected expect_in_place(Judgement judgement, Bytes input) noexcept {
  const bool misaligned = reinterpret_cast<std::uintptr_t>(input.data()) % 8 != 0;
  if (!misaligned || judgement == Judgement::kTooSmall) return expect(judgement);
  return {ShmErrorCode::kMisaligned, "misaligned"};
}

std::optional<Failure> check_answer(const Opened& answer, const Expected& expected, Bytes input) {
  if (is_right(answer, expected, input)) return std::nullopt;
  return what_is_wrong(answer, expected, input);
}

std::optional<Failure> check_validate(Bytes input, const std::vector<ShmError>& found) {
  const std::vector<Complaint>& expected = complaints(input);
  const auto same = [](const ShmError& one, const Complaint& other) {
    return to_string(one.code()) == other.code && one.found() == other.found;
  };
  if (!std::ranges::equal(found, expected, same)) {
    std::string text = "expected ";
    for (const Complaint& one : expected) text += describe(one.code, one.found);
    text += "\nfound    ";
    for (const ShmError& one : found) text += describe(to_string(one.code()), one.found());
    return Failure{.property = "validate: finds something else than the rules say",
                   .detail = text + "\nheader   " + wire::hex(input.first(wire::kSize))};
  }
  if (found.empty() || !read_texts(input)) return std::nullopt;
  return check_message(found[input[wire::kChecksum + 1] % found.size()]);
}

namespace {
// One buffer, made once: an allocation for every input would cost more than `open` does.
alignas(64) constinit std::array<std::uint8_t, Placed::kCapacity + 128> g_place{};
}  // namespace

Placed::Placed(Bytes input) {
  const std::size_t shift = input.empty() ? 0 : input.back() % 8;
  bytes_ = MutableBytes(g_place).subspan(shift, std::min(input.size(), kCapacity));
  std::copy_n(input.begin(), bytes_.size(), bytes_.begin());
  ASAN_POISON_MEMORY_REGION(bytes_.data() + bytes_.size(), 64);
}

Placed::~Placed() { ASAN_UNPOISON_MEMORY_REGION(bytes_.data() + bytes_.size(), 64); }

void count_outcome(Judgement judgement) noexcept {
  // NOLINTBEGIN(clang-analyzer-core.StackAddressEscape): counters are made in place
  static Counter counters[kJudgements] = {
      Counter("accept"),           Counter("too_small"),         Counter("bad_magic"),
      Counter("version_mismatch"), Counter("invalid_page_size"), Counter("checksum_mismatch")};
  counters[static_cast<std::size_t>(judgement)].add();
}  // NOLINTEND(clang-analyzer-core.StackAddressEscape)

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
