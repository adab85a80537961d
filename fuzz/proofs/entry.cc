// What is proven, as functions of plain arguments: clang compiles them with the core, and scripts/prove
// translates what it made of them. They call the core and copy what it answers; nothing is decided here.
//
// xxHash's own function is here too, over the bytes that the wire table names: what the core's checksum
// is compared with.

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/shared_memory_layout.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace {

using namespace fsqlshm;  // NOLINT(google-build-using-namespace): the file is about nothing else

struct Fields {
  std::uint32_t page_size;
  std::uint32_t max_txn_slots;
  std::uint64_t lock_table_offset;
  std::uint64_t witness_offset;
  std::uint64_t txn_slot_offset;
  std::uint64_t committed_readers_offset;
  std::uint64_t committed_readers_bytes;
  std::uint64_t layout_checksum;
};

struct Complaint {
  std::uint64_t code;
  std::uint64_t found;
  std::uint64_t expected;
};

// What an open answered: the error, or all that the layout says.
struct Opened {
  std::uint64_t accepted;
  Complaint error;
  Fields fields;
  HeaderBytes bytes;
};

template <class Layout>
void answer(const std::expected<Layout, ShmError>& layout, Opened& out) {
  out.accepted = layout.has_value() ? 1 : 0;
  if (!layout) {
    const ShmError& error = layout.error();
    out.error = {static_cast<std::uint64_t>(error.code()), error.found(), error.expected()};
    return;
  }
  out.fields = {
      .page_size = layout->page_size().get(),
      .max_txn_slots = layout->max_txn_slots(),
      .lock_table_offset = layout->lock_table_offset(),
      .witness_offset = layout->witness_offset(),
      .txn_slot_offset = layout->txn_slot_offset(),
      .committed_readers_offset = layout->committed_readers_offset(),
      .committed_readers_bytes = layout->committed_readers_bytes(),
      .layout_checksum = layout->layout_checksum(),
  };
  out.bytes = layout->to_bytes();
}

}  // namespace

extern "C" {

void open_copy(const std::byte* bytes, std::size_t size, Opened* out) {
  answer(SharedMemoryLayout::open({bytes, size}), *out);
}

void open_in_place(std::byte* bytes, std::size_t size, Opened* out) {
  answer(SharedMemoryLayoutView::open({bytes, size}), *out);
}

// False if the page size is none; else the 216 bytes of a new header.
bool create(std::uint32_t page_size, std::uint32_t max_txn_slots, HeaderBytes* out) {
  const auto size = PageSize::from_raw(page_size);
  if (size) *out = SharedMemoryLayout(*size, max_txn_slots).to_bytes();
  return size.has_value();
}

// How many errors; they go to `out`.
std::uint64_t check(const std::byte* bytes, std::size_t size, Complaint* out) {
  const auto list = validate({bytes, size});
  for (const ShmError& error : list) {
    *out++ = {static_cast<std::uint64_t>(error.code()), error.found(), error.expected()};
  }
  return list.size();
}

// Of a header with these immutable fields.
// REQUIRES: the page size is one.
std::uint64_t checksum(const Fields* fields) {
  const Geometry geometry = {
      .page_size = *PageSize::from_raw(fields->page_size),
      .max_txn_slots = fields->max_txn_slots,
      .lock_table_offset = fields->lock_table_offset,
      .witness_offset = fields->witness_offset,
      .txn_slot_offset = fields->txn_slot_offset,
      .committed_readers_offset = fields->committed_readers_offset,
      .committed_readers_bytes = fields->committed_readers_bytes,
  };
  return geometry.compute_checksum();
}

std::uint64_t xxhash_60(const std::byte* input) { return XXH3_64bits(input, 60); }

std::uint64_t state_word(std::uint64_t tag, std::uint32_t pid, std::uint64_t birth) {
  return hardened::state_word(static_cast<hardened::WriterTag>(tag), {.pid = pid, .birth = birth});
}

std::uint64_t writer_tag(std::uint64_t state) {
  return static_cast<std::uint64_t>(hardened::writer_tag(state));
}

void process_of(std::uint64_t state, ProcessIdentity* out) { *out = hardened::process_of(state); }

bool is_id(std::uint64_t word) { return TxnId::from_raw(word).has_value(); }

}  // extern "C"
