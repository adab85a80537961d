/** @file
 * The C interface, second part: the header in a file (foo.db.fsqlite-shm) that processes map and share.
 * Conventions, errors and the types of the header are those of fsqlshm.h. What a file promises, and
 * under which conditions, is in fsqlshm/shm_file.h and docs/database.md.
 *
 * Thread safety: "any" means any number of threads with one open of a file, and any number of opens.
 * Every function is for any, but where its comment says otherwise. An open belongs to the process that
 * made it: a child made by fork opens the file for itself, and does not touch its parent's.
 *
 * Functions with a `file` that is const can be used on a file that was opened for reading, too. The
 * others change nothing there, and fail: with FSQLSHM_INVALID_ARGUMENT, or as their comment says.
 */

#ifndef FSQLSHM_FILE_H_
#define FSQLSHM_FILE_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fsqlshm.h"

#ifdef __cplusplus
extern "C" {
#endif

#pragma GCC visibility push(default)
/* NOLINTBEGIN(readability-identifier-naming,performance-enum-size): this is C */

/* --- Options -------------------------------------------------------------------------------------- */

/** What a database knows from its durable files: the state of a header that nobody has open. */
typedef struct fsqlshm_durable_state {
  fsqlshm_snapshot snapshot; /**< what was last published, or is to be in force */
  uint64_t next_txn_id; /**< 1 to 2^62-1; larger than every id that may be in the durable files */
} fsqlshm_durable_state;

/** Fills in *state and returns 0; or returns an error number of the database's own, which fails the open
 * with FSQLSHM_RECOVER_FAILED, `found` being that number. Called while the caller is the only one that
 * has the file open, in the thread that opens it. It must not open the same file. */
typedef int32_t (*fsqlshm_recover)(void* context, fsqlshm_durable_state* state);

/** As uid or gid: nobody in particular. */
#define FSQLSHM_KEEP_OWNER UINT32_MAX

/** To be filled in by fsqlshm_file_options_init, and then changed. Later versions add members at the end. */
typedef struct fsqlshm_file_options {
  size_t size;            /**< of this structure, in bytes */
  uint32_t page_size;     /**< of a new file, in bytes; 4096 */
  uint32_t max_txn_slots; /**< of a new file; 0, which means 128 */
  uint32_t mode;          /**< of a new file, exactly these permissions, whatever the umask; 0600 */
  uint32_t uid;           /**< of a new file; FSQLSHM_KEEP_OWNER: the creator's */
  uint32_t gid;           /**< of a new file; FSQLSHM_KEEP_OWNER: as the file system decides */
  bool trust_found_state; /**< in the place of `recover`: what the file says holds; false */
  /** Gives the state of a file that nobody has open: on first use, and after a reboot, a power loss or
   * the death of all its users. Null: a new file starts at commit 0 and id 1, and an existing one is
   * refused with FSQLSHM_NEEDS_RECOVERY. */
  fsqlshm_recover recover;
  void* recover_context; /**< passed to `recover`; the library does not look at it */
} fsqlshm_file_options;

/** Puts the defaults named above into the first `size` bytes, which is sizeof(fsqlshm_file_options). */
void fsqlshm_file_options_init(fsqlshm_file_options* options, size_t size);

/** Sets owner, group and mode of a new file to those of the file `database`, so that who may open the one
 * may open the other. Fails with FSQLSHM_FILE_OPEN or FSQLSHM_FILE_NOT_REGULAR. */
fsqlshm_code fsqlshm_file_options_access_of(fsqlshm_file_options* options, const char* database,
                                            fsqlshm_error* error);

/* --- Opening and closing --------------------------------------------------------------------------- */

/** An open file. Made by one of the four functions below, ended by fsqlshm_file_close. */
typedef struct fsqlshm_file fsqlshm_file;

/* These give the open file in *file, or null there if they fail. `path` ends with a 0; its encoding is the
 * file system's. `options` may be null: the defaults. What options say of a new file has no say in one that
 * exists. All may fail with FSQLSHM_NO_MEMORY, and with FSQLSHM_INVALID_ARGUMENT for a null pointer and
 * for options of a size that this version does not know. */

/** Makes a new file; its space is reserved. Fails with FSQLSHM_FILE_EXISTS, _FILE_NO_SPACE, _FILE_CREATE,
 * _FILE_OWNER, _FILE_SYNC, FSQLSHM_INVALID_PAGE_SIZE, or the errors of `open`. */
fsqlshm_code fsqlshm_file_create(const char* path, const fsqlshm_file_options* options,
                                 fsqlshm_file** file, fsqlshm_error* error);

/** Waits while a first opener establishes the state. Fails with FSQLSHM_FILE_OPEN (`found` is the errno),
 * _FILE_NOT_REGULAR, the errors of fsqlshm_header_open, _FILE_REGIONS_DO_NOT_FIT, _FILE_TRUNCATED,
 * _FILE_NO_SPACE, _FILE_MAP or _FILE_LOCK; for the first opener with FSQLSHM_NEEDS_RECOVERY or
 * FSQLSHM_RECOVER_FAILED; with _FILE_REPLACED or _FILE_IN_USE if others have another file or another lock
 * file open under these names; with _FILE_CREATE, _FILE_OWNER or _FILE_SYNC if there is no lock file
 * and none can be made. */
fsqlshm_code fsqlshm_file_open(const char* path, const fsqlshm_file_options* options,
                               fsqlshm_file** file, fsqlshm_error* error);

/** Opens the file, or makes it if it is not there, or if nobody has it open and its header is damaged. Fails as both
 * do. */
fsqlshm_code fsqlshm_file_open_or_create(const char* path, const fsqlshm_file_options* options,
                                         fsqlshm_file** file, fsqlshm_error* error);

/** Opens it for reading; needs no permission to write, and does not count as an open for anybody else. Fails
 * like `open`; with FSQLSHM_NEEDS_RECOVERY if nobody has it open for writing, unless
 * options->trust_found_state. */
fsqlshm_code fsqlshm_file_open_read_only(const char* path, const fsqlshm_file_options* options,
                                         const fsqlshm_file** file, fsqlshm_error* error);

/** Ends the open, and with it everything that it holds. Fails with FSQLSHM_FILE_CLOSE; it has ended then, too.
 * Null: does nothing. Not for any: nobody may use the file or one of its publications meanwhile. */
fsqlshm_code fsqlshm_file_close(const fsqlshm_file* file, fsqlshm_error* error);

/** Deletes a file that nobody has open, and its lock file. Fails with FSQLSHM_FILE_IN_USE, _FILE_OPEN,
 * _FILE_NOT_REGULAR or _FILE_LOCK, and with _FILE_CREATE, _FILE_OWNER or _FILE_SYNC as `open` does. */
fsqlshm_code fsqlshm_file_remove(const char* path, fsqlshm_error* error);

/* --- The file ---------------------------------------------------------------------------------------- */

/** Whether the name still leads to this file and the file is what it was. Fails with FSQLSHM_FILE_FORKED,
 * _FILE_REPLACED, _FILE_TRUNCATED, _FILE_OPEN, or the errors of fsqlshm_header_open. */
fsqlshm_code fsqlshm_file_check(const fsqlshm_file* file, fsqlshm_error* error);

/** Writes the file to its disk. Fails with FSQLSHM_FILE_SYNC. */
fsqlshm_code fsqlshm_file_sync(fsqlshm_file* file, fsqlshm_error* error);

/** Whether another open of the file holds the publication lock. Fails with FSQLSHM_FILE_LOCK; with
 * FSQLSHM_FILE_OPEN for who may only read. */
fsqlshm_code fsqlshm_file_publication_locked(const fsqlshm_file* file, bool* locked,
                                             fsqlshm_error* error);

/** What lies behind the header: the regions, at their offsets minus 216, *size bytes. Valid until the file
 * is closed. Null for a file opened for reading. */
void* fsqlshm_file_regions(fsqlshm_file* file, size_t* size);

/** Who this open is in the words of the header: its process and a random birth. All 0 if it was opened for
 * reading. */
fsqlshm_process fsqlshm_file_identity(const fsqlshm_file* file);

/** Whether the open of that name, be it in another process, has not ended. False is certain. True for all
 * if the file was opened for reading. */
bool fsqlshm_file_alive(const fsqlshm_file* file, fsqlshm_process who);

/* --- Publishing ----------------------------------------------------------------------------------------- */

/** The publication lock, held. The kernel frees it when its holder ends, however that happens. */
typedef struct fsqlshm_publication fsqlshm_publication;

/** Waits for the lock as long as it takes; a holder that was stopped keeps it. Fails, with null in
 * *publication, with FSQLSHM_FILE_LOCK and FSQLSHM_NO_MEMORY, and as fsqlshm_file_check does. */
fsqlshm_code fsqlshm_file_lock_publication(fsqlshm_file* file, fsqlshm_publication** publication,
                                           fsqlshm_error* error);

/** FSQLSHM_OK with null in *publication if others held the lock for all of `patience` nanoseconds (0: looks
 * once). Fails likewise. */
fsqlshm_code fsqlshm_file_try_lock_publication(fsqlshm_file* file, uint64_t patience,
                                               fsqlshm_publication** publication,
                                               fsqlshm_error* error);

/* The functions of a publication are for one thread at a time. */

/** Whether the last publisher died in the middle: readers get nothing until fsqlshm_publication_reconcile. */
bool fsqlshm_publication_needs_reconcile(const fsqlshm_publication* publication);

/** Puts a triple in force. Fails, and does nothing, with FSQLSHM_NEEDS_RECONCILE. */
fsqlshm_code fsqlshm_publication_publish(fsqlshm_publication* publication, fsqlshm_snapshot next,
                                         fsqlshm_error* error);

/** The same on behalf of the serialized writer `writer`. Fails with FSQLSHM_FENCED if that is not the writer
 * any more: `found` is who is, 0 if there is none. FSQLSHM_TXN_ID_OUT_OF_DOMAIN: it is no id. */
fsqlshm_code fsqlshm_publication_publish_for(fsqlshm_publication* publication,
                                             fsqlshm_snapshot next, uint64_t writer,
                                             fsqlshm_error* error);

/** Publishes what is durable, and repairs a sequence number that was left odd. Fails with no code that
 * there is: FSQLSHM_OK. */
fsqlshm_code fsqlshm_publication_reconcile(fsqlshm_publication* publication,
                                           fsqlshm_snapshot durable, fsqlshm_error* error);

/** Frees the lock and the publication. Null: does nothing. Before the file is closed. */
void fsqlshm_publication_unlock(fsqlshm_publication* publication);

/* --- The header of an open file --------------------------------------------------------------------------- */

/** As fsqlshm_header_to_bytes. */
void fsqlshm_file_to_bytes(const fsqlshm_file* file, uint8_t bytes[FSQLSHM_HEADER_BYTES]);
/** As fsqlshm_header_geometry. */
void fsqlshm_file_geometry(const fsqlshm_file* file, fsqlshm_geometry* geometry);
/** As fsqlshm_header_load_consistent_snapshot. Prefer the next one: this one spins after a publisher's death,
 * until another reconciles. */
fsqlshm_snapshot fsqlshm_file_load_consistent_snapshot(const fsqlshm_file* file);
/** As fsqlshm_header_try_load_consistent_snapshot. */
bool fsqlshm_file_try_load_consistent_snapshot(const fsqlshm_file* file, uint64_t attempts,
                                               fsqlshm_snapshot* snapshot);
/** As fsqlshm_header_load_commit_seq. */
uint64_t fsqlshm_file_load_commit_seq(const fsqlshm_file* file);
/** As fsqlshm_header_load_schema_epoch. */
uint64_t fsqlshm_file_load_schema_epoch(const fsqlshm_file* file);
/** As fsqlshm_header_load_ecs_epoch. */
uint64_t fsqlshm_file_load_ecs_epoch(const fsqlshm_file* file);
/** As fsqlshm_header_load_gc_horizon. */
uint64_t fsqlshm_file_load_gc_horizon(const fsqlshm_file* file);
/** As fsqlshm_header_check_serialized_writer. */
uint64_t fsqlshm_file_check_serialized_writer(const fsqlshm_file* file);

/** A transaction id that nobody else has, 1 to 2^62-1; 0: all are used up, or the file was opened for reading. */
uint64_t fsqlshm_file_alloc_txn_id(fsqlshm_file* file);
/** As fsqlshm_header_store_gc_horizon. */
void fsqlshm_file_store_gc_horizon(fsqlshm_file* file, uint64_t horizon);

/** Makes `txn_id` the serialized writer, on behalf of this open of the file: it loses the indicator when the
 * open ends. False if there is a writer already, be it dead or alive, and for an id that is none.
 * `lease_expiry`: seconds since 1970; 0: none. */
bool fsqlshm_file_acquire_serialized_writer(fsqlshm_file* file, uint64_t txn_id,
                                            uint64_t lease_expiry);
/** As fsqlshm_header_release_serialized_writer. */
bool fsqlshm_file_release_serialized_writer(fsqlshm_file* file, uint64_t txn_id);

/** Whether a concurrent writer may proceed. Clears a stale serialized writer: one whose lease has run out
 * (now >= expiry; both in seconds since 1970), or whose open of the file has ended. FSQLSHM_BUSY for a
 * file opened for reading. */
fsqlshm_exclusion fsqlshm_file_check_serialized_writer_exclusion(fsqlshm_file* file, uint64_t now);
/** As fsqlshm_header_clear_serialized_writer. */
bool fsqlshm_file_clear_serialized_writer(fsqlshm_file* file, uint64_t state);

/* NOLINTEND(readability-identifier-naming,performance-enum-size) */
#pragma GCC visibility pop

#ifdef __cplusplus
}
#endif

#endif /* FSQLSHM_FILE_H_ */
