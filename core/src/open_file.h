// An open shared-memory file, and how it gets open: first opener, establishing the state, joining.
//
// Every open holds a read lock on the OPEN byte of the lock file (byte_locks.h). Who gets it as a
// write lock is alone, the first opener, and establishes the state:
//
//   OPEN for writing -> make the file, or check it and set its words (recover) -> lock the NAME
//   -> ESTABLISHED for reading -> OPEN for reading
//
// Everybody else joins: OPEN for reading -> somebody must hold ESTABLISHED -> lock the NAME ->
// ESTABLISHED for reading. If nobody holds it, the first opener died or failed: begin again.
//
// Invariants:
//   I1  Who holds ESTABLISHED for a file saw a first opener finish, or somebody who did; and it held
//       OPEN from then on, so no other first opener came in between. So the state that it uses was
//       established once, from durable values, and was in memory ever since.
//   I2  All who hold ESTABLISHED hold it for one file (inode and immutable fields): a first opener is
//       alone, and who joins checks its own file's byte.
//   I3  All locks are held by descriptors that end with this process (descriptor.h).

#ifndef FSQLSHM_SRC_OPEN_FILE_H_
#define FSQLSHM_SRC_OPEN_FILE_H_

#include <semaphore.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <memory>
#include <string>

#include "descriptor.h"
#include "fsqlshm/error.h"
#include "fsqlshm/geometry.h"
#include "fsqlshm/process.h"
#include "fsqlshm/shm_file_options.h"
#include "fsqlshm/words.h"

namespace fsqlshm::internal {

/// A file's place: its directory, and its name there.
struct FileName {
  Descriptor directory;
  std::string name;

  /// Fails with kFileOpen.
  [[nodiscard]] static std::expected<FileName, ShmError> of(const std::filesystem::path& path);
  [[nodiscard]] std::string lock_file() const;
  /// What is known of the open file `fd`, if `of_name`, in this directory, leads to it. Fails with
  /// kFileReplaced or kFileOpen.
  [[nodiscard]] std::expected<struct stat, ShmError> same_file(const std::string& of_name,
                                                               int fd) const;
};

[[nodiscard]] inline bool is_missing(const ShmError& error) {
  return error == ShmErrorCode::kFileOpen && error.found() == ENOENT;
}

/// What a child of the process that opened the file is told.
[[nodiscard]] ShmError forked() noexcept;

/// Opens a regular file; looks before it opens, because opening a device can do things and opening
/// a FIFO can wait for ever. Fails with kFileOpen or kFileNotRegular.
[[nodiscard]] std::expected<Descriptor, ShmError> open_regular(int directory,
                                                               const std::string& name, int access);

/// In-process turns at the publication lock. Which thread gives one back does not matter.
class Turns {
 public:
  Turns() noexcept { ::sem_init(&semaphore_, 0, 1); }
  Turns(const Turns&) = delete;
  Turns& operator=(const Turns&) = delete;
  ~Turns() { ::sem_destroy(&semaphore_); }

  /// Waits; a cancellation point. A thread that is cancelled here has no turn.
  void take();
  [[nodiscard]] bool try_take() noexcept { return ::sem_trywait(&semaphore_) == 0; }
  void give_back() noexcept { ::sem_post(&semaphore_); }

 private:
  sem_t semaphore_;
};

struct OpenFile {
  FileName where{};
  Descriptor lock_file{};  // not for readers
  Descriptor file{};
  ino_t inode = 0;
  ImmutableWords immutable{};  // as checked when it was opened
  Geometry geometry{};
  ProcessIdentity identity{};  // the name of this open; unknown for readers
  std::uint64_t generation = process_generation();
  Turns publication_turns{};
  std::atomic<std::int64_t> checked_ns = 0;  // when `check` last looked at the names
  // As much as the geometry asks for; last, so that it goes before the locks do.
  Mapping mapping{};

  [[nodiscard]] bool of_this_process() const noexcept { return generation == process_generation(); }
  [[nodiscard]] RawWords words() const noexcept {
    return RawWords(reinterpret_cast<std::uint64_t*>(mapping.bytes().data()));
  }

  /// Whether the names still lead to this file and its lock file, and size and immutable words are
  /// as they were. Fails with kFileForked, kFileReplaced, kFileTruncated, kFileOpen or the errors of
  /// SharedMemoryLayout::open.
  [[nodiscard]] std::expected<void, ShmError> check();
  /// The same, but what needs system calls only if the last look is some milliseconds old.
  [[nodiscard]] std::expected<void, ShmError> check_often();

  /// The parts of `check`: what needs system calls, and what does not.
  [[nodiscard]] std::expected<void, ShmError> check_names() const;
  [[nodiscard]] std::expected<void, ShmError> check_words() const;

  /// False only if it is certain that nobody has a file open under this name.
  [[nodiscard]] bool alive(ProcessIdentity who) const noexcept;

  /// Fails with kFileClose.
  [[nodiscard]] std::expected<void, ShmError> close() noexcept;
};

enum class OpenMode : std::uint8_t { kCreate, kOpen, kOpenOrCreate, kReadOnly, kRemove };

/// Errors as ShmFile documents them.
[[nodiscard]] std::expected<std::unique_ptr<OpenFile>, ShmError> open_file(
    const std::filesystem::path& path, OpenMode mode, const ShmFileOptions& options);

/// Deletes a file that nobody has open, and its lock file.
[[nodiscard]] std::expected<void, ShmError> remove_file(const std::filesystem::path& path);

}  // namespace fsqlshm::internal

#endif  // FSQLSHM_SRC_OPEN_FILE_H_
