/* Commits to a database, as its processes do: usage: commit DATABASE COUNT
 *
 * The database is two numbers: the last commit, and the first id that no commit has used. Prints the id and
 * the number of each commit. Exit status: 0 done, 1 the shared memory broke a promise, 2 could not run. */

#define _POSIX_C_SOURCE 200809L

#include <fcntl.h>
#include <fsqlshm_file.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* What is durable: in the database. */
typedef struct database {
  uint64_t commit;
  uint64_t next_txn_id;
} database;

static database read_database(int fd) {
  database durable = {0, 1};
  if (pread(fd, &durable, sizeof(durable), 0) < 0) perror("read");
  return durable;
}

/* The values that go with a commit, so that a reader can tell whether they belong together. */
static fsqlshm_snapshot snapshot_of(uint64_t commit) {
  fsqlshm_snapshot snapshot = {commit, 3 * commit, 5 * commit};
  return snapshot;
}

static int32_t recover(void* context, fsqlshm_durable_state* state) {
  const database durable = read_database(*(const int*)context);
  state->snapshot = snapshot_of(durable.commit);
  state->next_txn_id = durable.next_txn_id;
  return 0;
}

static int fail(const char* what, const fsqlshm_error* error) {
  char text[256];
  fsqlshm_error_message(error, text, sizeof(text));
  fprintf(stderr, "commit: %s: %s\n", what, text);
  return error->code == FSQLSHM_FENCED ? 1 : 2; /* nobody may evict a writer that lives */
}

/* Waits until this open of the file is the serialized writer. */
static uint64_t become_writer(fsqlshm_file* file) {
  const uint64_t id = fsqlshm_file_alloc_txn_id(file);
  while (true) {
    const uint64_t now = (uint64_t)time(NULL);
    if (fsqlshm_file_check_serialized_writer_exclusion(file, now) == FSQLSHM_NO_WRITER &&
        fsqlshm_file_acquire_serialized_writer(file, id, now + 30)) {
      return id;
    }
    nanosleep(&(struct timespec){0, 100000}, NULL);
  }
}

static int commit(fsqlshm_file* file, int fd) {
  fsqlshm_error error;
  fsqlshm_publication* publication;
  const uint64_t id = become_writer(file);
  if (fsqlshm_file_lock_publication(file, &publication, &error) != FSQLSHM_OK) {
    return fail("lock", &error);
  }
  database durable = read_database(fd);
  if (fsqlshm_publication_needs_reconcile(publication)) {
    fsqlshm_publication_reconcile(publication, snapshot_of(durable.commit), &error);
  }
  durable.commit++;
  if (durable.next_txn_id <= id) durable.next_txn_id = id + 1;
  if (pwrite(fd, &durable, sizeof(durable), 0) < 0) perror("write");
  const fsqlshm_snapshot next = snapshot_of(durable.commit);
  const fsqlshm_code code = fsqlshm_publication_publish_for(publication, next, id, &error);
  fsqlshm_publication_unlock(publication);
  if (code != FSQLSHM_OK) return fail("publish", &error);
  fsqlshm_file_release_serialized_writer(file, id);
  printf("%" PRIu64 " %" PRIu64 "\n", id, durable.commit);
  return fflush(stdout) == 0 ? 0 : 2;
}

/* Whether a snapshot is whole and not older than the one before. */
static int check_snapshot(const fsqlshm_file* file, uint64_t* last) {
  fsqlshm_snapshot found;
  /* A publisher that died leaves nothing to read until the next one reconciles. */
  if (!fsqlshm_file_try_load_consistent_snapshot(file, 1000, &found)) return 0;
  const fsqlshm_snapshot whole = snapshot_of(found.commit_seq);
  if (found.schema_epoch != whole.schema_epoch || found.ecs_epoch != whole.ecs_epoch ||
      found.commit_seq < *last) {
    fprintf(stderr,
            "commit: snapshot %" PRIu64 " %" PRIu64 " %" PRIu64 " after commit %" PRIu64 "\n",
            found.commit_seq, found.schema_epoch, found.ecs_epoch, *last);
    return 1;
  }
  *last = found.commit_seq;
  return 0;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  int fd = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  char path[4096];
  snprintf(path, sizeof(path), "%s.fsqlite-shm", argv[1]);
  fsqlshm_file_options options;
  fsqlshm_file_options_init(&options, sizeof(options));
  options.recover = recover;
  options.recover_context = &fd;
  fsqlshm_error error;
  fsqlshm_file* file;
  if (fsqlshm_file_options_access_of(&options, argv[1], &error) != FSQLSHM_OK ||
      fsqlshm_file_open_or_create(path, &options, &file, &error) != FSQLSHM_OK) {
    return fail("open", &error);
  }
  int status = 0;
  uint64_t last = 0;
  for (long left = atol(argv[2]); left > 0 && status == 0; left--) {
    status = commit(file, fd);
    if (status == 0) status = check_snapshot(file, &last);
  }
  fsqlshm_file_close(file, NULL);
  return status;
}
