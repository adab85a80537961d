#include "fuzz/mutator.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <utility>
#include <vector>

namespace fsqlshm::fuzz {
namespace {

std::uint64_t get(Bytes bytes, std::size_t offset, std::size_t size) {
  std::uint64_t value = 0;
  std::memcpy(&value, bytes.data() + offset, size);
  return value;
}

void put(MutableBytes bytes, std::size_t offset, std::size_t size, std::uint64_t value) {
  std::memcpy(bytes.data() + offset, &value, size);
}

bool valid_page_size(std::uint32_t bytes) {
  return bytes >= 512 && bytes <= 65536 && std::has_single_bit(bytes);
}

// What stands between a header and the checksum comparison.
void repair_gates(MutableBytes header, Random& random) {
  std::memcpy(header.data(), wire::kMagic.data(), wire::kMagic.size());
  wire::put32(header, wire::kVersion, 1);
  if (!valid_page_size(wire::get32(header, wire::kPageSize))) {
    wire::put32(header, wire::kPageSize, std::uint32_t{512} << random.below(8));
  }
}

// One field, or an 8-byte piece of the padding.
wire::FieldInfo pick_field(Random& random) {
  wire::FieldInfo field = wire::kTable[random.below(wire::kTable.size())];
  if (field.size > 8) {
    field.offset += 8 * random.below(field.size / 8);
    field.size = 8;
  }
  return field;
}

void mutate_field(MutableBytes header, Random& random, ByteMutator engine) {
  const wire::FieldInfo field = pick_field(random);
  switch (random.below(4)) {
    case 0:
      put(header, field.offset, field.size, boundary_value(random));
      break;
    case 1: {
      const wire::FieldInfo source = pick_field(random);
      const std::uint64_t value = get(header, source.offset, source.size);
      put(header, field.offset, field.size, value);
      break;
    }
    case 2:
      put(header, field.offset, field.size, tweak(get(header, field.offset, field.size), random));
      break;
    default:
      // Within the field: the engine's dictionary and compare hints land where they belong.
      engine(header.data() + field.offset, field.size, field.size);
  }
}

}  // namespace

std::uint64_t boundary_value(Random& random) noexcept {
  constexpr std::uint64_t kIdLimit = std::uint64_t{1} << 62;
  constexpr std::uint64_t kMost = ~std::uint64_t{0};
  // clang-format off
  constexpr std::uint64_t kValues[] = {
      0, 1, 2, 127, 128, 215, 216, 217, 511, 512, 4096, 65536, 65537,
      0x7fffffff, 0x80000000, 0xffffffff, 0x100000000,
      kIdLimit - 2, kIdLimit - 1, kIdLimit, 2 * kIdLimit, 3 * kIdLimit, kMost - 1, kMost};
  // clang-format on
  switch (random.below(4)) {
    case 0:
      return (std::uint64_t{1} << random.below(64)) + random.below(3) - 1;
    case 1:
      return random.below(256);
    default:
      return kValues[random.below(std::size(kValues))];
  }
}

std::uint64_t tweak(std::uint64_t value, Random& random) noexcept {
  switch (random.below(5)) {
    case 0:
      return value ^ (std::uint64_t{1} << random.below(64));
    case 1:
      return value + 1 + random.below(16);
    case 2:
      return value - 1 - random.below(16);
    case 3:
      return __builtin_bswap64(value);
    default:
      return boundary_value(random);
  }
}

std::size_t mutate_header(MutableBytes buffer, std::size_t size, std::uint32_t seed,
                          ByteMutator engine) {
  Random random(seed);
  if (buffer.size() < wire::kSize) return engine(buffer.data(), size, buffer.size());
  if (size < wire::kSize && !random.one_in(32)) {
    const auto fresh = wire::fresh_header(std::uint32_t{512} << random.below(8),
                                          static_cast<std::uint32_t>(1 + random.below(300)));
    std::copy(fresh.begin(), fresh.end(), buffer.begin());
    size = wire::kSize;
  }
  if (size < wire::kSize || random.one_in(8)) {
    size = engine(buffer.data(), size, buffer.size());
  } else {
    const MutableBytes header = buffer.first(size);
    const std::size_t changes = std::size_t{1} << random.below(3);
    for (std::size_t i = 0; i < changes; ++i) mutate_field(header, random, engine);
    if (random.one_in(16)) wire::derive_regions(header);
    if (random.one_in(64)) {
      size = random.below(std::min<std::size_t>(buffer.size(), 2 * wire::kSize) + 1);
      if (size > header.size()) {
        std::fill(buffer.begin() + static_cast<std::ptrdiff_t>(header.size()),
                  buffer.begin() + static_cast<std::ptrdiff_t>(size), std::uint8_t{0xff});
      }
    }
  }
  if (size < wire::kSize) return size;
  // One in sixteen keeps what happened to magic, version and page size, and one in sixteen keeps
  // its checksum as it is: refusals have to be seen too.
  const MutableBytes header = buffer.first(size);
  if (!random.one_in(16)) repair_gates(header, random);
  if (!random.one_in(16)) wire::seal(header);
  return size;
}

std::size_t cross_headers(Bytes first, Bytes second, MutableBytes out, std::uint32_t seed) {
  Random random(seed);
  if (first.size() < second.size()) std::swap(first, second);
  const std::size_t size = std::min(first.size(), out.size());
  std::copy_n(first.begin(), size, out.begin());
  for (const wire::FieldInfo& field : wire::kTable) {
    const std::size_t end = field.offset + field.size;
    if (end > size || end > second.size() || !random.one_in(3)) continue;
    std::memcpy(out.data() + field.offset, second.data() + field.offset, field.size);
  }
  if (size < wire::kSize) return size;
  const MutableBytes header = out.first(size);
  if (!random.one_in(16)) repair_gates(header, random);
  if (!random.one_in(16)) wire::seal(header);
  return size;
}

namespace {

void random_record(MutableBytes record, Random& random) {
  for (std::size_t i = 0; i < record.size(); i += 8) {
    const std::size_t size = std::min<std::size_t>(8, record.size() - i);
    const std::uint64_t value = random.one_in(2) ? random.next() : boundary_value(random);
    std::memcpy(record.data() + i, &value, size);
  }
  record[0] = static_cast<std::uint8_t>(random.next());  // what the record is
}

// One byte, or one word, of `bytes`.
void change_piece(MutableBytes bytes, Random& random) {
  if (bytes.size() < 8 || random.one_in(2)) {
    std::uint8_t& byte = bytes[random.below(bytes.size())];
    byte = static_cast<std::uint8_t>(random.one_in(2) ? random.next() : byte + 1 - random.below(3));
    return;
  }
  const std::size_t offset = 8 * random.below(bytes.size() / 8);
  put(bytes, offset, 8, tweak(get(bytes, offset, 8), random));
}

// Changes, inserts, removes or swaps one of the records behind the head.
void mutate_once(const RecordShape& shape, std::vector<std::uint8_t>& input, std::size_t capacity,
                 Random& random) {
  const std::size_t size = shape.record_size;
  const std::size_t count = (input.size() - shape.head_size) / size;
  const auto begin = [&](std::size_t index) {
    return input.begin() + static_cast<std::ptrdiff_t>(shape.head_size + index * size);
  };
  const auto record = [&](std::size_t index) { return MutableBytes(begin(index), size); };
  if (shape.head_size != 0 && random.one_in(5)) {
    change_piece(MutableBytes(input).first(shape.head_size), random);
    return;
  }
  if (count == 0 || (count < capacity && random.one_in(4))) {
    if (count == capacity) return;
    const std::size_t index = random.below(count + 1);
    input.insert(begin(index), size, 0);
    if (count == 0 || random.one_in(2)) {
      random_record(record(index), random);
    } else {  // one that is there already, with another place in the order
      std::size_t source = random.below(count);
      if (source >= index) ++source;
      std::ranges::copy(record(source), begin(index));
    }
    return;
  }
  const std::size_t index = random.below(count);
  switch (random.below(4)) {
    case 0:
      if (count > 1) input.erase(begin(index), begin(index + 1));
      break;
    case 1:
      std::ranges::swap_ranges(record(index), record(random.below(count)));
      break;
    default:
      change_piece(record(index), random);
  }
}

}  // namespace

std::size_t mutate_records(const RecordShape& shape, MutableBytes buffer, std::size_t size,
                           std::uint32_t seed, ByteMutator engine) {
  Random random(seed);
  if (buffer.size() < shape.head_size + shape.record_size || random.one_in(6)) {
    return engine(buffer.data(), size, buffer.size());
  }
  // Made once: to allocate one for every mutation costs 3 % under ASan.
  static std::vector<std::uint8_t> input;
  input.assign(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(size));
  input.resize(std::max(size, shape.head_size));
  const std::size_t capacity =
      std::min((buffer.size() - shape.head_size) / shape.record_size, shape.max_records);
  // An incomplete last record is dropped.
  const std::size_t count =
      std::min((input.size() - shape.head_size) / shape.record_size, capacity);
  input.resize(shape.head_size + count * shape.record_size);
  if (count != 0 && random.one_in(6)) {
    const std::size_t at = shape.head_size + random.below(count) * shape.record_size;
    engine(input.data() + at, shape.record_size, shape.record_size);
  } else {
    const std::size_t changes = std::size_t{1} << random.below(4);
    for (std::size_t i = 0; i < changes; ++i) mutate_once(shape, input, capacity, random);
  }
  std::ranges::copy(input, buffer.begin());
  return input.size();
}

std::size_t cross_records(const RecordShape& shape, Bytes first, Bytes second, MutableBytes out,
                          std::uint32_t seed) {
  Random random(seed);
  const std::size_t head = shape.head_size;
  if (first.size() < head || second.size() < head || out.size() < head) {
    const std::size_t size = std::min(first.size(), out.size());
    std::copy_n(first.begin(), size, out.begin());
    return size;
  }
  const std::size_t first_count = (first.size() - head) / shape.record_size;
  const std::size_t second_count = (second.size() - head) / shape.record_size;
  const std::size_t keep = random.below(first_count + 1);
  const std::size_t skip = random.below(second_count + 1);
  const std::size_t capacity = std::min((out.size() - head) / shape.record_size, shape.max_records);
  const std::size_t from_first = std::min(keep, capacity);
  const std::size_t from_second = std::min(second_count - skip, capacity - from_first);
  std::copy_n(random.one_in(4) ? second.begin() : first.begin(), head, out.begin());
  std::memcpy(out.data() + head, first.data() + head, from_first * shape.record_size);
  std::memcpy(out.data() + head + from_first * shape.record_size,
              second.data() + head + skip * shape.record_size, from_second * shape.record_size);
  return head + (from_first + from_second) * shape.record_size;
}

}  // namespace fsqlshm::fuzz
