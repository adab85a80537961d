/** @file
 * The C interface: the shared-memory header, 216 bytes that coordinate the transactions of all
 * processes that use a database. For C, and for every language that calls C.
 *
 * The functions of the header work on memory that the caller provides. They have two uses. The library
 * exports them, with the protocol `hardened`. And any other implementation that exports them is a
 * *subject*: the harness loads it from a shared object and attacks it (--subject).
 *
 * Conventions:
 *   - A function that can fail returns a fsqlshm_code, FSQLSHM_OK (0) on success, and otherwise
 *     describes the error in *error if `error` is not null.
 *   - No function throws, and none of the header's functions allocates memory or takes a lock.
 *   - Thread safety: "any" means any number of threads, and of processes that share the memory, at
 *     the same time. Every function is for any, but where its comment says otherwise.
 */

#ifndef FSQLSHM_H_
#define FSQLSHM_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fsqlshm/host.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)
/* NOLINTBEGIN(readability-identifier-naming,performance-enum-size): this is C */

/* --- What an implementation says of itself ------------------------------------------------------ */

/** The version of this interface. */
#define FSQLSHM_INTERFACE_VERSION 1u

/** The FSQLSHM_INTERFACE_VERSION that the implementation was built with. A caller that was built with
 * another one must not call anything else. */
uint32_t fsqlshm_interface_version(void);

/** Name and version, for people: "fsqlshm 0.1.0, hardened". Static; never null. */
const char* fsqlshm_implementation(void);

/** What an implementation may promise. A finding against a promise is a violation. */
enum fsqlshm_promise {
  FSQLSHM_P1_EXCLUSION = 1 << 0,  /**< at most one serialized writer at any time */
  FSQLSHM_P2_INTEGRITY = 1 << 1,  /**< an owner's pid, birth and lease stay as it set them */
  FSQLSHM_P3_QUIESCENCE = 1 << 2, /**< all four words of the indicator are 0 while nobody uses it */
  FSQLSHM_P4_CRASH = 1 << 3,    /**< a check repairs whatever the death of a process left behind */
  FSQLSHM_P5_EVICTION = 1 << 4, /**< a check evicts the stale owner that it judged, and no other */
  FSQLSHM_P6_PROGRESS = 1 << 5, /**< no operation on the indicator waits for another process */
  FSQLSHM_HONEST_BUSY = 1 << 6, /**< a check answers busy only for a live writer */
  FSQLSHM_SNAPSHOT = 1 << 7,    /**< a snapshot is whole, and does not go back */
  FSQLSHM_IDS = 1 << 8,         /**< transaction ids are unique, ascend, and end at 2^62-1 */
  FSQLSHM_CERTAINTY = 1 << 9,   /**< a check honours fsqlshm_liveness.certain */
  FSQLSHM_PROMISES_ALL = (1 << 10) - 1 /**< all of them */
};

/** A set of fsqlshm_promise. */
uint64_t fsqlshm_promises(void);

/** Optional in a subject. The defects of the published protocol that it is known to have, "D2 D3": to
 * find one of them is expected, not to find it makes a run vacuous. Static; never null. */
const char* fsqlshm_known_defects(void);

/* --- Errors -------------------------------------------------------------------------------------- */

/** Values are for ever. Those up to FSQLSHM_MISALIGNED are all that the header's functions return. */
typedef enum fsqlshm_code {
  FSQLSHM_OK = 0,                /**< it did not fail */
  FSQLSHM_TOO_SMALL = 1,         /**< fewer than 216 bytes */
  FSQLSHM_BAD_MAGIC = 2,         /**< the first eight bytes are not "FSQLSHM\0" */
  FSQLSHM_VERSION_MISMATCH = 3,  /**< version is not 1 */
  FSQLSHM_INVALID_PAGE_SIZE = 4, /**< page_size is not a power of two from 512 to 65536 */
  FSQLSHM_CHECKSUM_MISMATCH = 5, /**< layout_checksum is not that of the immutable fields */
  FSQLSHM_MISALIGNED = 6,        /**< memory does not start at a multiple of the alignment */

  /* Values out of their domain. */
  FSQLSHM_TXN_ID_OUT_OF_DOMAIN = 7,        /**< a transaction id is 0 or above 2^62-1 */
  FSQLSHM_UNDERIVED_MAX_TXN_SLOTS = 8,     /**< max_txn_slots is 0, which creation never writes */
  FSQLSHM_UNDERIVED_LOCK_TABLE_OFFSET = 9, /**< lock_table_offset is not 216 */
  FSQLSHM_UNDERIVED_WITNESS_OFFSET = 10,   /**< not lock table + 64 x slots */
  FSQLSHM_UNDERIVED_TXN_SLOT_OFFSET = 11,  /**< not witness + 128 x slots */
  FSQLSHM_UNDERIVED_COMMITTED_READERS_OFFSET = 12, /**< not txn slots + 128 x slots */
  FSQLSHM_UNDERIVED_COMMITTED_READERS_BYTES = 13,  /**< not ceil(slots / 8) */
  FSQLSHM_RESERVED_NOT_ZERO = 14,                  /**< align0 or padding holds something */
  FSQLSHM_NEXT_TXN_ID_OUT_OF_DOMAIN = 15,          /**< next_txn_id is 0 or above 2^62 */
  FSQLSHM_SNAPSHOT_SEQ_ODD = 16, /**< a publish is in progress, or its publisher died */
  FSQLSHM_GC_HORIZON_AHEAD = 17, /**< gc_horizon is above commit_seq */
  FSQLSHM_WRITER_TXN_ID_OUT_OF_DOMAIN =
      18,                          /**< the writer word is neither an id nor a known state */
  FSQLSHM_WRITER_UNJUDGEABLE = 19, /**< a writer that names nobody: never cleared */
  FSQLSHM_WRITER_LEFTOVERS = 20,   /**< no writer, but pid, birth or lease is not 0 */
  FSQLSHM_WRITER_LEASE_UNIT = 21,  /**< the lease ends after the year 9999: hardly in seconds */

  /* Files. */
  FSQLSHM_FILE_OPEN = 22,        /**< cannot be opened; `found` is the errno here and below */
  FSQLSHM_FILE_NOT_REGULAR = 23, /**< `found` is its type (st_mode & S_IFMT) */
  FSQLSHM_FILE_EXISTS = 24,      /**< to be created, but there is a file of that name */
  FSQLSHM_FILE_CREATE = 25,      /**< cannot be created */
  FSQLSHM_FILE_NO_SPACE = 26,    /**< no room for `expected` bytes */
  FSQLSHM_FILE_REGIONS_DO_NOT_FIT = 27, /**< a region overlaps another or ends beyond 2^63-1 */
  FSQLSHM_FILE_TRUNCATED = 28,          /**< shorter than its header says */
  FSQLSHM_FILE_MAP = 29,                /**< cannot be mapped */
  FSQLSHM_FILE_SYNC = 30,               /**< cannot be written to its disk */
  FSQLSHM_FILE_CLOSE = 31,              /**< closing it failed */
  FSQLSHM_FILE_LOCK = 32,               /**< a lock on it failed */
  FSQLSHM_FILE_FORKED = 33,     /**< opened by a parent of this process: not for the child */
  FSQLSHM_FILE_OWNER = 34,      /**< cannot be given the owner and group that it should have */
  FSQLSHM_FILE_IN_USE = 35,     /**< others have it open, without or under another lock file */
  FSQLSHM_FILE_REPLACED = 36,   /**< the name leads to another file than the one in use */
  FSQLSHM_NEEDS_RECOVERY = 37,  /**< nobody has it open, and `recover` is not given */
  FSQLSHM_RECOVER_FAILED = 38,  /**< `recover` failed; `found` is the database's own */
  FSQLSHM_NEEDS_RECONCILE = 39, /**< the last publisher died half-way: reconcile first */
  FSQLSHM_GUARD_MOVED = 40,     /**< of the C++ interface: a guard that holds no lock */
  FSQLSHM_FENCED = 41,          /**< the serialized writer is `found`, not the `expected` one */

  /* Of the C interface alone. */
  FSQLSHM_NO_MEMORY = 100, /**< memory ran out */
  FSQLSHM_INVALID_ARGUMENT =
      101, /**< a null pointer, options of unknown size, a file opened for reading */
  FSQLSHM_UNEXPECTED = 102 /**< a C++ exception that should not have been */
} fsqlshm_code;

/** What is wrong, where, what was found and what was expected. */
typedef struct fsqlshm_error {
  int32_t code;      /**< fsqlshm_code */
  uint32_t reserved; /**< 0 */
  uint64_t found;    /**< the field's value; bytes for FSQLSHM_TOO_SMALL; errno where files fail */
  uint64_t expected; /**< 0 where the expectation is a rule and not a value */
} fsqlshm_error;

/** `expected` of an error of the lock file, not of the file itself: FSQLSHM_FILE_OPEN, _FILE_NOT_REGULAR,
 * _FILE_CREATE, _FILE_OWNER; and _FILE_IN_USE, if its users have another lock file. */
#define FSQLSHM_OF_LOCK_FILE 1u

/** The code's name in snake_case: "bad_magic"; "ok"; "unknown". Static; never null. Any. */
const char* fsqlshm_code_text(int32_t code);

/** One line for a person: the field with its offset, what was found, what was expected. Writes at most
 * `size` bytes to `text`, the last of them 0, and returns how long the whole text is without the 0, like
 * snprintf. `text` may be null if `size` is 0. Any. */
size_t fsqlshm_error_message(const fsqlshm_error* error, char* text, size_t size);

/* --- The header ----------------------------------------------------------------------------------- */

/** Bytes in a header of the wire format. */
#define FSQLSHM_HEADER_BYTES 216u

/** A header in use: the ten atomic words and what was decoded of the immutable fields. It is plain
 * memory: it holds no pointer, needs no destructor, and may lie at different addresses in processes
 * that share it. Its atomic words are whole, aligned 64-bit words in the byte order of the machine. */
typedef struct fsqlshm_header fsqlshm_header;

/** How much memory a header takes, in bytes: at most 4096. Constant. */
size_t fsqlshm_header_size(void);
/** At a multiple of how many bytes a header has to start: a power of two, at most 4096. Constant. */
size_t fsqlshm_header_alignment(void);

/** Makes a new header at `memory`: next_txn_id is 1, all other atomic words are 0. `page_size`: bytes, a
 * power of two from 512 to 65536. `max_txn_slots`: 0 means 128. Fails with FSQLSHM_INVALID_PAGE_SIZE
 * and FSQLSHM_MISALIGNED. Not for any: nobody may use the memory meanwhile. */
fsqlshm_code fsqlshm_header_create(void* memory, uint32_t page_size, uint32_t max_txn_slots,
                                   fsqlshm_error* error);

/** Makes a header at `memory` from the first 216 of `size` bytes, at any alignment. Fails with the first
 * of FSQLSHM_TOO_SMALL to FSQLSHM_CHECKSUM_MISMATCH that applies, and with FSQLSHM_MISALIGNED. Any slot
 * count, any offsets under a valid checksum and any atomic words are accepted. Not for any: nobody may
 * use the memory, or write to `bytes`, meanwhile. */
fsqlshm_code fsqlshm_header_open(void* memory, const void* bytes, size_t size,
                                 fsqlshm_error* error);

/** The 216 bytes of the wire format, unused ones zeroed. Each word is read once; together they are no
 * snapshot. */
void fsqlshm_header_to_bytes(const fsqlshm_header* header, uint8_t bytes[FSQLSHM_HEADER_BYTES]);

/** The immutable fields. Offsets and sizes in bytes. */
typedef struct fsqlshm_geometry {
  uint32_t page_size;                /**< of the database, in bytes */
  uint32_t max_txn_slots;            /**< how many transaction slots the regions have */
  uint64_t lock_table_offset;        /**< bytes from the start of the file */
  uint64_t witness_offset;           /**< bytes from the start of the file */
  uint64_t txn_slot_offset;          /**< bytes from the start of the file */
  uint64_t committed_readers_offset; /**< bytes from the start of the file */
  uint64_t committed_readers_bytes;  /**< bytes of that region */
  uint64_t layout_checksum;          /**< xxh3_64 of the fields before it */
} fsqlshm_geometry;
/** What the immutable fields said when the header was made or opened. */
void fsqlshm_header_geometry(const fsqlshm_header* header, fsqlshm_geometry* geometry);

/* --- The snapshot: a seqlock ------------------------------------------------------------------------ */

/** What one publish puts in force; any values. */
typedef struct fsqlshm_snapshot {
  uint64_t commit_seq;   /**< the last commit */
  uint64_t schema_epoch; /**< the schema that it needs */
  uint64_t ecs_epoch;    /**< the epoch of the ECS */
} fsqlshm_snapshot;

/* Of these four one may run at a time, over all processes. */

/** Makes the sequence number odd: readers wait. One that a dead publisher left odd stays so. Not for any. */
void fsqlshm_header_begin_snapshot_publish(fsqlshm_header* header);
/** Makes it even again. To be called after a begin. Not for any. */
void fsqlshm_header_end_snapshot_publish(fsqlshm_header* header);
/** Begin, the three values, end. Not for any. */
void fsqlshm_header_publish_snapshot(fsqlshm_header* header, fsqlshm_snapshot next);
/** After recovery: publishes what is durable, and repairs a sequence number that was left odd. Not for any. */
void fsqlshm_header_reconcile(fsqlshm_header* header, fsqlshm_snapshot durable);

/** The triple in force. Spins while a publish is in progress: for ever, if its publisher died. */
fsqlshm_snapshot fsqlshm_header_load_consistent_snapshot(const fsqlshm_header* header);

/** Optional in a subject. The triple in force; false after `attempts` attempts (at least one is made)
 * that a publish got in the way of. */
bool fsqlshm_header_try_load_consistent_snapshot(const fsqlshm_header* header, uint64_t attempts,
                                                 fsqlshm_snapshot* snapshot);

/* --- The serialized writer ---------------------------------------------------------------------------- */

/** A process, or one of its opens of a file. */
typedef struct fsqlshm_process {
  uint64_t birth;    /**< 2^63 | start time in clock ticks since boot; 0: unknown */
  uint32_t pid;      /**< 0: unknown */
  uint32_t reserved; /**< 0 */
} fsqlshm_process;

/** Makes `txn_id` (1 to 2^62-1, never used for this before) the serialized writer, on behalf of `self`.
 * `lease_expiry`: seconds since 1970; 0: none. False if there is one, be it dead or alive, and for an
 * id that is none. */
bool fsqlshm_header_acquire_serialized_writer(fsqlshm_header* header, uint64_t txn_id,
                                              fsqlshm_process self, uint64_t lease_expiry);

/** Frees the indicator. False if `txn_id` is not the serialized writer, for example after its eviction. */
bool fsqlshm_header_release_serialized_writer(fsqlshm_header* header, uint64_t txn_id);

/** The serialized writer's transaction id; 0: there is none. */
uint64_t fsqlshm_header_check_serialized_writer(const fsqlshm_header* header);

/** Who lives. A subject may call it any number of times, from inside of a check only. It must return:
 * no exception, no longjmp. */
typedef struct fsqlshm_liveness {
  /** False only if none of the process's stores is still to come. */
  bool (*alive)(void* context, uint32_t pid, uint64_t birth);
  void* context; /**< passed to `alive`; the library does not look at it */
  /** What `alive` denies is certain, so that a lease protects nobody from it. */
  bool certain;
} fsqlshm_liveness;

/** Whether there is a serialized writer. */
typedef enum fsqlshm_exclusion {
  FSQLSHM_NO_WRITER = 0, /**< no live serialized writer; a stale one was cleared */
  FSQLSHM_BUSY = 1       /**< a live serialized writer holds the indicator, or is about to */
} fsqlshm_exclusion;

/** Whether a concurrent writer may proceed. Clears a stale serialized writer: one whose lease has run
 * out (now >= expiry; both in seconds since 1970), or one without a lease whose pid and birth are set
 * and that is not alive. On behalf of `self`, which may be written into the header meanwhile. */
fsqlshm_exclusion fsqlshm_header_check_serialized_writer_exclusion(
    fsqlshm_header* header, uint64_t now, fsqlshm_process self, const fsqlshm_liveness* liveness);

/** Optional in a subject. Clears a writer that nothing can judge, by what the word
 * serialized_writer_txn_id holds; false if that is not `state`, or is 0. The caller knows that who is
 * named there is gone. */
bool fsqlshm_header_clear_serialized_writer(fsqlshm_header* header, uint64_t state,
                                            fsqlshm_process self);

/* --- Counters ------------------------------------------------------------------------------------------- */

/** A transaction id that nobody else has, 1 to 2^62-1; 0: all are used up (or the counter was 0, which
 * creation never writes; it is stepped over). */
uint64_t fsqlshm_header_alloc_txn_id(fsqlshm_header* header);

/** One value of the snapshot by itself. Who sees a commit sees the schema epoch that it needs. */
uint64_t fsqlshm_header_load_commit_seq(const fsqlshm_header* header);
/** One value by itself; see fsqlshm_header_load_commit_seq. */
uint64_t fsqlshm_header_load_schema_epoch(const fsqlshm_header* header);
/** One value by itself; see fsqlshm_header_load_commit_seq. */
uint64_t fsqlshm_header_load_ecs_epoch(const fsqlshm_header* header);

/** The horizon: commits before it are needed by nobody. What was done before a horizon was stored is
 * visible to who loads it. */
uint64_t fsqlshm_header_load_gc_horizon(const fsqlshm_header* header);
/** Sets the horizon. */
void fsqlshm_header_store_gc_horizon(fsqlshm_header* header, uint64_t horizon);

/* --- Processes: of the library, not of a subject ------------------------------------------------------- */

/** The calling process. Reads /proc on every call; the birth is 0 where /proc cannot be read. Any. */
fsqlshm_process fsqlshm_this_process(void);

/** False only if it is certain that the process is gone: for fsqlshm_liveness.alive. `context` is not used.
 * Both processes must be in one pid namespace. Any. */
bool fsqlshm_process_alive(void* context, uint32_t pid, uint64_t birth);

/* NOLINTEND(readability-identifier-naming,performance-enum-size) */
#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* FSQLSHM_H_ */
