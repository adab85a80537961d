#include "harness/describe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/process.h"
#include "fsqlshm/writer_words.h"

namespace fsqlshm::harness {
namespace {

using hardened::WriterTag;

constexpr std::array kOrders = {std::memory_order::relaxed, std::memory_order::acquire,
                                std::memory_order::release, std::memory_order::acq_rel,
                                std::memory_order::seq_cst};
constexpr std::array<std::string_view, 5> kOrderNames = {"relaxed", "acquire", "release", "acq_rel",
                                                         "seq_cst"};

std::string_view tag_name(WriterTag tag) {
  if (tag == WriterTag::kClaiming) return "CLAIMING";
  return tag == WriterTag::kCleaning ? "CLEANING" : "tag 3";
}

char* write_state(char* out, std::uint64_t state) {
  const WriterTag tag = hardened::writer_tag(state);
  if (tag == WriterTag::kFreeOrOwned) return fmt::format_to(out, "id {}", state);
  const std::uint32_t pid = hardened::process_of(state).pid;
  if (pid == 0) return fmt::format_to(out, "{} by an unknown process", tag_name(tag));
  return fmt::format_to(out, "{} by pid {}", tag_name(tag), pid);
}

char* write_word(char* out, Field field, std::uint64_t value) {
  if (value != 0 && field == Field::kSerializedWriterTxnId) return write_state(out, value);
  if (value != 0 && field == Field::kSerializedWriterPidAndGen) {
    return fmt::format_to(out, "pid {} gen {}", pid_of(value), generation_of(value));
  }
  const bool birth = value != 0 && field == Field::kSerializedWriterPidBirth;
  return birth ? fmt::format_to(out, "birth {}", value & ~kKnownBirth)
               : fmt::format_to(out, "{}", value);
}

std::string value_text(std::span<const std::byte, kHeaderSize> bytes, const FieldSpan& field) {
  if (const auto value = field_value(bytes, field)) {
    const auto* const word = std::ranges::find(kAtomicFields, field.offset, offset_of);
    if (word != kAtomicFields.end()) return describe(*word, *value).str();
    return field.name == "layout_checksum" ? fmt::format("{:#018x}", *value)
                                           : fmt::format("{}", *value);
  }
  const auto content = bytes.subspan(field.offset, field.size);
  if (field.name != "magic") {
    const bool zero = std::ranges::all_of(content, [](std::byte b) { return b == std::byte{0}; });
    return zero ? "all zero" : "NOT all zero";
  }
  std::string text = "\"";
  for (const std::byte byte : content) {
    const auto c = static_cast<unsigned char>(byte);
    text +=
        c >= 0x20 && c < 0x7f ? std::string(1, static_cast<char>(c)) : fmt::format("\\x{:02x}", c);
  }
  return text + "\"";
}

}  // namespace

WordText describe(Field field, std::uint64_t value) {
  WordText text;
  text.size_ =
      static_cast<std::size_t>(write_word(text.text_.data(), field, value) - text.text_.data());
  return text;
}

std::string_view short_name(Field field) noexcept {
  constexpr std::string_view kPrefix = "serialized_writer_";
  const std::string_view name = field_name(field);
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

std::string_view source_name(std::string_view path) noexcept {
  for (const std::string_view root : {"/include/fsqlshm/", "/relacy/", "/harness/"}) {
    const std::size_t at = path.rfind(root);
    if (at == std::string_view::npos) continue;
    return path.substr(root == "/include/fsqlshm/" ? at + root.size() : at + 1);
  }
  return path;
}

std::string_view order_name(std::memory_order order) noexcept {
  const auto at = static_cast<std::size_t>(std::ranges::find(kOrders, order) - kOrders.begin());
  return at == kOrders.size() ? "?" : kOrderNames[at];
}

std::optional<std::memory_order> parse_order(std::string_view name) noexcept {
  const auto* const it = std::ranges::find(kOrders, name, order_name);
  return it == kOrders.end() ? std::nullopt : std::optional(*it);
}

std::uint64_t word_at(std::span<const std::byte, kHeaderSize> bytes, Field field) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data() + offset_of(field), sizeof(word));
  return word;
}

std::optional<std::uint64_t> field_value(std::span<const std::byte, kHeaderSize> bytes,
                                         const FieldSpan& field) {
  if (field.size > 8 || field.name == "magic") return std::nullopt;
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + field.offset, field.size);
  return value;
}

std::string field_hex(std::span<const std::byte, kHeaderSize> bytes, const FieldSpan& field) {
  std::string text;
  for (const std::byte byte : bytes.subspan(field.offset, field.size)) {
    text += fmt::format("{:02x}", static_cast<unsigned>(byte));
  }
  return text;
}

std::string header_table(std::span<const std::byte, kHeaderSize> bytes) {
  std::string table =
      fmt::format("{:>6}  {:<16}  {:<31} {}\n", "offset", "bytes", "field", "value");
  for (const FieldSpan& field : kFields) {
    std::string hex = field_hex(bytes, field);
    if (hex.size() > 16) hex = hex.substr(0, 13) + "...";
    table += fmt::format("{:>6}  {:<16}  {:<31} {}\n", field.offset, hex, field.name,
                         value_text(bytes, field));
  }
  return table;
}

}  // namespace fsqlshm::harness
