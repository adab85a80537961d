#include "fuzz/oracle.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace fsqlshm::fuzz {
namespace {

constexpr std::uint64_t kIdLimit = std::uint64_t{1} << 62;

}  // namespace

std::string_view to_string(Judgement judgement) noexcept {
  constexpr std::array<std::string_view, kJudgements> kNames = {
      "accept",           "too_small",         "bad_magic",
      "version_mismatch", "invalid_page_size", "checksum_mismatch"};
  return kNames[static_cast<std::size_t>(judgement)];
}

Judgement judge(Bytes bytes) noexcept {
  if (bytes.size() < wire::kSize) return Judgement::kTooSmall;
  if (wire::get64(bytes, 0) != std::bit_cast<std::uint64_t>(wire::kMagic)) {
    return Judgement::kBadMagic;
  }
  if (wire::get32(bytes, wire::kVersion) != 1) return Judgement::kVersionMismatch;
  const std::uint32_t page_size = wire::get32(bytes, wire::kPageSize);
  if (page_size < 512 || page_size > 65536 || !std::has_single_bit(page_size)) {
    return Judgement::kInvalidPageSize;
  }
  if (wire::get64(bytes, wire::kChecksum) != wire::checksum(bytes)) {
    return Judgement::kChecksumMismatch;
  }
  return Judgement::kAccept;
}

std::optional<std::uint64_t> required_bytes(Bytes header) {
  const std::uint64_t slots = wire::get32(header, wire::kSlots);
  const std::uint64_t readers = wire::get64(header, 136);
  const std::uint64_t limit = ~std::uint64_t{0} >> 1;
  std::uint64_t end = wire::kSize;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::uint64_t offset = wire::get64(header, 104 + 8 * i);
    const std::uint64_t bytes = i == 0 ? 64 * slots : i == 3 ? readers : 128 * slots;
    if (offset < end || offset > limit || bytes > limit - offset) return std::nullopt;
    end = offset + bytes;
  }
  if (readers < (slots + 7) / 8) return std::nullopt;
  return end;
}

std::string_view judge_file(Bytes header, std::uint64_t size) {
  if (size < wire::kSize) return "too_small";
  const Judgement judgement = judge(header);
  if (judgement != Judgement::kAccept) return to_string(judgement);
  const auto required = required_bytes(header);
  if (!required) return "file_regions_do_not_fit";
  return size < *required ? "file_truncated" : "accept";
}

std::array<std::uint8_t, wire::kSize> canonical(Bytes bytes) noexcept {
  std::array<std::uint8_t, wire::kSize> out{};
  std::copy_n(bytes.begin(), wire::kSize, out.begin());
  std::fill_n(out.begin() + wire::kAlign0, 4, std::uint8_t{0});
  std::fill(out.begin() + wire::kPadding, out.end(), std::uint8_t{0});
  return out;
}

bool is_canonical(Bytes bytes, Bytes found) noexcept {
  // Word by word: under sanitizers every memcmp is a call, and one that the engine listens to.
  std::uint64_t differences = 0;
  for (std::size_t i = 0; i < wire::kPadding; i += 8) {
    // max_txn_slots is in the low half, align0 in the high one.
    const std::uint64_t kept = i == wire::kSlots ? 0xffffffff : ~std::uint64_t{0};
    differences |= (wire::get64(bytes, i) & kept) ^ wire::get64(found, i);
  }
  for (std::size_t i = wire::kPadding; i < wire::kSize; i += 8) {
    differences |= wire::get64(found, i);
  }
  return differences == 0;
}

const std::vector<Complaint>& complaints(Bytes bytes) {
  // Made once: an allocation for every header costs 3 % under ASan.
  static std::vector<Complaint> list;
  list.clear();
  const auto word = [&](std::size_t offset) { return wire::get64(bytes, offset); };
  const auto complain_if = [&](bool wrong, std::string_view code, std::uint64_t found) {
    if (wrong) list.push_back({code, found});
  };
  const auto expect = [&](std::size_t offset, std::uint64_t derived, std::string_view code) {
    complain_if(word(offset) != derived, code, word(offset));
  };

  // What creation derives from the slot count; 0 slots means 128.
  const std::uint64_t found_slots = wire::get32(bytes, wire::kSlots);
  const std::uint64_t slots = found_slots == 0 ? 128 : found_slots;
  complain_if(found_slots == 0, "underived_max_txn_slots", 0);
  expect(104, 216, "underived_lock_table_offset");
  expect(112, 216 + 64 * slots, "underived_witness_offset");
  expect(120, 216 + 192 * slots, "underived_txn_slot_offset");
  expect(128, 216 + 320 * slots, "underived_committed_readers_offset");
  expect(136, (slots + 7) / 8, "underived_committed_readers_bytes");

  // Reserved bytes: reported by the offset of the first that is set, align0 and padding apart.
  for (const auto& [begin, end] : {std::pair{20, 24}, {152, 216}}) {
    const auto set = std::find_if(bytes.begin() + begin, bytes.begin() + end,
                                  [](std::uint8_t byte) { return byte != 0; });
    complain_if(set != bytes.begin() + end, "reserved_not_zero",
                static_cast<std::uint64_t>(set - bytes.begin()));
  }

  const std::uint64_t next_id = word(24);
  complain_if(next_id == 0 || next_id > kIdLimit, "next_txn_id_out_of_domain", next_id);
  complain_if(word(32) % 2 != 0, "snapshot_seq_odd", word(32));
  complain_if(word(64) > word(40), "gc_horizon_ahead", word(64));

  // The writer: 0, an id below 2^62, claiming (01...), cleaning (10...), or nonsense (11...).
  const std::uint64_t writer = word(72);
  const std::uint64_t pid_and_generation = word(80);
  const std::uint64_t birth = word(88);
  const std::uint64_t lease = word(96);
  if (writer == 0) {
    const std::uint64_t left = pid_and_generation != 0 ? pid_and_generation
                               : birth != 0            ? birth
                                                       : lease;
    complain_if(left != 0, "writer_leftovers", left);
  } else if (writer < kIdLimit) {
    const bool judgeable = lease != 0 || ((pid_and_generation & 0xffffffff) != 0 && birth != 0);
    complain_if(!judgeable, "writer_unjudgeable", writer);
    // A lease is in seconds since 1970; no year has five digits.
    complain_if(lease > 253402300799, "writer_lease_unit", lease);
  } else if (writer < 3 * kIdLimit) {  // who claims or cleans has a pid
    complain_if(((writer >> 40) & 0x3fffff) == 0, "writer_unjudgeable", writer);
  }
  complain_if(writer >= 3 * kIdLimit, "writer_txn_id_out_of_domain", writer);
  return list;
}

}  // namespace fsqlshm::fuzz
