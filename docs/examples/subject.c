/* A subject: the functions that the engines attack, over a header of one's own. This one is the published protocol. It
 * lies in memory as on the wire; any other layout would do. */

#include <fsqlshm.h>
#include <stdatomic.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { kWords = FSQLSHM_HEADER_BYTES / 8, kDefaultSlots = 128 };
enum { kLastId = 62 }; /* ids end at 2^62-1 */

/* The 27 words of the wire format, by their offsets / 8. */
enum {
  kMagic = 0,
  kVersionAndPageSize = 1,
  kSlots = 2,
  kNextTxnId = 3,
  kSeq = 4,
  kCommit = 5,
  kSchema = 6,
  kEcs = 7,
  kHorizon = 8,
  kWriter = 9,
  kPidAndGen = 10,
  kBirth = 11,
  kLease = 12,
  kOffsets = 13, /* lock table, witness, txn slots, committed readers, and the size of those */
  kChecksum = 18,
  kPadding = 19
};

struct fsqlshm_header {
  _Atomic uint64_t words[kWords];
};

/* --- What it is --- */

uint32_t fsqlshm_interface_version(void) { return FSQLSHM_INTERFACE_VERSION; }
const char* fsqlshm_implementation(void) { return "the example in C"; }
uint64_t fsqlshm_promises(void) { return FSQLSHM_P6_PROGRESS | FSQLSHM_SNAPSHOT | FSQLSHM_IDS; }
const char* fsqlshm_known_defects(void) { return "D1 D2 D3 D4 D5 D6"; }
size_t fsqlshm_header_size(void) { return sizeof(fsqlshm_header); }
size_t fsqlshm_header_alignment(void) { return _Alignof(fsqlshm_header); }

/* --- Words --- */

static uint64_t load(const fsqlshm_header* header, int word) {
  return atomic_load_explicit(&header->words[word], memory_order_acquire);
}
static void store(fsqlshm_header* header, int word, uint64_t value) {
  atomic_store_explicit(&header->words[word], value, memory_order_release);
}
static bool swap(fsqlshm_header* header, int word, uint64_t from, uint64_t to) {
  return atomic_compare_exchange_strong_explicit(&header->words[word], &from, to,
                                                 memory_order_acq_rel, memory_order_acquire);
}

/* --- Making one --- */

/* Of the 20 bytes before the first atomic word and the 40 behind the last. */
static uint64_t checksum(const uint64_t words[kWords]) {
  uint8_t bytes[60];
  memcpy(bytes, words, 20);
  memcpy(bytes + 20, words + kOffsets, 40);
  return XXH3_64bits(bytes, sizeof(bytes));
}

static bool good_page_size(uint64_t size) {
  return size >= 512 && size <= 65536 && (size & (size - 1)) == 0;
}

static fsqlshm_code fail(fsqlshm_code code, uint64_t found, uint64_t expected,
                         fsqlshm_error* error) {
  if (error != NULL) *error = (fsqlshm_error){(int32_t)code, 0, found, expected};
  return code;
}

/* The memory is the caller's: nothing is known of its alignment. */
static fsqlshm_code take(void* memory, const uint64_t words[kWords], fsqlshm_error* error) {
  const uint64_t off = (uintptr_t)memory % _Alignof(fsqlshm_header);
  if (off != 0) return fail(FSQLSHM_MISALIGNED, off, _Alignof(fsqlshm_header), error);
  fsqlshm_header* const header = memory;
  for (int i = 0; i < kWords; ++i) atomic_init(&header->words[i], i < kPadding ? words[i] : 0);
  return FSQLSHM_OK;
}

fsqlshm_code fsqlshm_header_create(void* memory, uint32_t page_size, uint32_t max_txn_slots,
                                   fsqlshm_error* error) {
  if (!good_page_size(page_size)) return fail(FSQLSHM_INVALID_PAGE_SIZE, page_size, 0, error);
  const uint64_t slots = max_txn_slots == 0 ? kDefaultSlots : max_txn_slots;
  uint64_t words[kWords] = {0};
  memcpy(words, "FSQLSHM", 8);
  words[kVersionAndPageSize] = 1 | (uint64_t)page_size << 32;
  words[kSlots] = slots;
  words[kNextTxnId] = 1;
  words[kOffsets] = FSQLSHM_HEADER_BYTES;
  words[kOffsets + 1] = words[kOffsets] + 64 * slots;
  words[kOffsets + 2] = words[kOffsets + 1] + 128 * slots;
  words[kOffsets + 3] = words[kOffsets + 2] + 128 * slots;
  words[kOffsets + 4] = (slots + 7) / 8;
  words[kChecksum] = checksum(words);
  return take(memory, words, error);
}

fsqlshm_code fsqlshm_header_open(void* memory, const void* bytes, size_t size,
                                 fsqlshm_error* error) {
  if (size < FSQLSHM_HEADER_BYTES) {
    return fail(FSQLSHM_TOO_SMALL, size, FSQLSHM_HEADER_BYTES, error);
  }
  uint64_t words[kWords];
  memcpy(words, bytes, sizeof(words));
  uint64_t magic = 0;
  memcpy(&magic, "FSQLSHM", 8);
  if (words[kMagic] != magic) return fail(FSQLSHM_BAD_MAGIC, words[kMagic], magic, error);
  const uint64_t version = (uint32_t)words[kVersionAndPageSize];
  if (version != 1) return fail(FSQLSHM_VERSION_MISMATCH, version, 1, error);
  const uint64_t page_size = words[kVersionAndPageSize] >> 32;
  if (!good_page_size(page_size)) return fail(FSQLSHM_INVALID_PAGE_SIZE, page_size, 0, error);
  const uint64_t right = checksum(words);
  if (words[kChecksum] != right) {
    return fail(FSQLSHM_CHECKSUM_MISMATCH, words[kChecksum], right, error);
  }
  words[kSlots] = (uint32_t)words[kSlots]; /* align0 is ignored */
  return take(memory, words, error);
}

void fsqlshm_header_to_bytes(const fsqlshm_header* header, uint8_t bytes[FSQLSHM_HEADER_BYTES]) {
  for (int i = 0; i < kWords; ++i) {
    const uint64_t word = load(header, i);
    memcpy(bytes + 8 * i, &word, 8);
  }
}

void fsqlshm_header_geometry(const fsqlshm_header* header, fsqlshm_geometry* geometry) {
  geometry->page_size = (uint32_t)(load(header, kVersionAndPageSize) >> 32);
  geometry->max_txn_slots = (uint32_t)load(header, kSlots);
  geometry->lock_table_offset = load(header, kOffsets);
  geometry->witness_offset = load(header, kOffsets + 1);
  geometry->txn_slot_offset = load(header, kOffsets + 2);
  geometry->committed_readers_offset = load(header, kOffsets + 3);
  geometry->committed_readers_bytes = load(header, kOffsets + 4);
  geometry->layout_checksum = load(header, kChecksum);
}

/* --- The snapshot --- */

void fsqlshm_header_begin_snapshot_publish(fsqlshm_header* header) {
  uint64_t seq = load(header, kSeq);
  while (seq % 2 == 0 && !swap(header, kSeq, seq, seq + 1)) seq = load(header, kSeq);
}

void fsqlshm_header_end_snapshot_publish(fsqlshm_header* header) {
  atomic_fetch_add_explicit(&header->words[kSeq], 1, memory_order_acq_rel);
}

void fsqlshm_header_publish_snapshot(fsqlshm_header* header, fsqlshm_snapshot next) {
  fsqlshm_header_begin_snapshot_publish(header);
  store(header, kSchema, next.schema_epoch);
  store(header, kEcs, next.ecs_epoch);
  store(header, kCommit, next.commit_seq);
  fsqlshm_header_end_snapshot_publish(header);
}

void fsqlshm_header_reconcile(fsqlshm_header* header, fsqlshm_snapshot durable) {
  fsqlshm_header_publish_snapshot(header, durable);
}

fsqlshm_snapshot fsqlshm_header_load_consistent_snapshot(const fsqlshm_header* header) {
  while (true) {
    const uint64_t seq = load(header, kSeq);
    const fsqlshm_snapshot seen = {load(header, kCommit), load(header, kSchema),
                                   load(header, kEcs)};
    if (seq % 2 == 0 && load(header, kSeq) == seq) return seen;
  }
}

/* --- The serialized writer --- */

static void clear(fsqlshm_header* header, uint64_t pid_and_gen, uint64_t birth, uint64_t lease) {
  swap(header, kPidAndGen, pid_and_gen, 0);
  swap(header, kBirth, birth, 0);
  swap(header, kLease, lease, 0);
}

bool fsqlshm_header_acquire_serialized_writer(fsqlshm_header* header, uint64_t txn_id,
                                              fsqlshm_process self, uint64_t lease_expiry) {
  if (txn_id == 0 || txn_id >> kLastId != 0 || !swap(header, kWriter, 0, txn_id)) return false;
  const uint64_t generation = (load(header, kPidAndGen) >> 32) + 1;
  store(header, kPidAndGen, generation << 32 | self.pid);
  store(header, kBirth, self.birth);
  store(header, kLease, lease_expiry);
  return true;
}

bool fsqlshm_header_release_serialized_writer(fsqlshm_header* header, uint64_t txn_id) {
  const uint64_t pid_and_gen = load(header, kPidAndGen);
  const uint64_t birth = load(header, kBirth);
  const uint64_t lease = load(header, kLease);
  if (txn_id == 0 || !swap(header, kWriter, txn_id, 0)) return false;
  clear(header, pid_and_gen, birth, lease);
  return true;
}

uint64_t fsqlshm_header_check_serialized_writer(const fsqlshm_header* header) {
  const uint64_t writer = load(header, kWriter);
  return writer >> kLastId == 0 ? writer : 0;
}

fsqlshm_exclusion fsqlshm_header_check_serialized_writer_exclusion(
    fsqlshm_header* header, uint64_t now, fsqlshm_process self, const fsqlshm_liveness* liveness) {
  (void)self;
  while (true) {
    const uint64_t writer = load(header, kWriter);
    if (writer == 0) return FSQLSHM_NO_WRITER;
    const uint64_t pid_and_gen = load(header, kPidAndGen);
    const uint64_t birth = load(header, kBirth);
    const uint64_t lease = load(header, kLease);
    const uint32_t pid = (uint32_t)pid_and_gen;
    const bool stale =
        lease != 0 ? now >= lease
                   : pid != 0 && birth != 0 && !liveness->alive(liveness->context, pid, birth);
    if (!stale) return FSQLSHM_BUSY;
    if (!swap(header, kWriter, writer, 0)) continue;
    clear(header, pid_and_gen, birth, lease);
    return FSQLSHM_NO_WRITER;
  }
}

/* --- Counters --- */

uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header) {
  while (true) {
    const uint64_t next = load(header, kNextTxnId);
    if (next >> kLastId != 0) return 0;
    if (swap(header, kNextTxnId, next, next + 1)) return next;
  }
}

uint64_t fsqlshm_header_load_commit_seq(const fsqlshm_header* header) {
  return load(header, kCommit);
}
uint64_t fsqlshm_header_load_schema_epoch(const fsqlshm_header* header) {
  return load(header, kSchema);
}
uint64_t fsqlshm_header_load_ecs_epoch(const fsqlshm_header* header) { return load(header, kEcs); }
uint64_t fsqlshm_header_load_gc_horizon(const fsqlshm_header* header) {
  return load(header, kHorizon);
}
void fsqlshm_header_store_gc_horizon(fsqlshm_header* header, uint64_t horizon) {
  store(header, kHorizon, horizon);
}
