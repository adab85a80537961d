#include "fuzz/check_open.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

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

}  // namespace

namespace internal {

Failure wrong_verdict(std::string_view subject, std::string_view expected, std::string_view found,
                      Bytes input) {
  const std::string header = hex(input.first(std::min(input.size(), wire::kSize)));
  return {.property = std::string(subject) + ": expected " + std::string(expected) + ", found " +
                      std::string(found),
          .detail = std::to_string(input.size()) + " bytes: " + header};
}

Failure wrong_bytes(std::string_view subject, Bytes expected, Bytes found) {
  std::string field = "?";
  for (const wire::FieldInfo& info : wire::kTable) {
    if (!std::equal(expected.begin() + static_cast<std::ptrdiff_t>(info.offset),
                    expected.begin() + static_cast<std::ptrdiff_t>(info.offset + info.size),
                    found.begin() + static_cast<std::ptrdiff_t>(info.offset))) {
      field = info.name;
      break;
    }
  }
  return {.property = std::string(subject) + ": to_bytes differs from the input in " + field,
          .detail = "expected " + hex(expected) + "\nfound    " + hex(found)};
}

Failure wrong_accessor(std::string_view subject, std::string_view accessor, std::uint64_t expected,
                       std::uint64_t found) {
  return {.property =
              std::string(subject) + ": " + std::string(accessor) + "() differs from the bytes",
          .detail = "expected " + std::to_string(expected) + ", found " + std::to_string(found)};
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

std::optional<Failure> check_validate(Bytes input, const Complaints& expected,
                                      const std::vector<ShmError>& found) {
  bool same = found.size() == expected.size();
  for (std::size_t i = 0; same && i < found.size(); ++i) {
    same = to_string(found[i].code()) == expected[i].code && found[i].found() == expected[i].found;
  }
  if (!same) {
    return Failure{.property = "validate: finds something else than the rules say",
                   .detail = "expected " + describe(expected) + "\nfound    " + describe(found) +
                             "\nheader   " + hex(input.first(wire::kSize))};
  }
  // Texts cost more than all the rest, so only one complaint's is looked at; which one, the input
  // decides.
  if (!found.empty() && input[wire::kChecksum] % 16 == 0) {
    return check_message(found[input[wire::kChecksum + 1] % found.size()]);
  }
  return std::nullopt;
}

}  // namespace internal

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
