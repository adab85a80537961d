// What a caller decides about a shared-memory file: its shape, who may open it, and what its state
// is when nobody has it open.

#ifndef FSQLSHM_SHM_FILE_OPTIONS_H_
#define FSQLSHM_SHM_FILE_OPTIONS_H_

#include <sys/types.h>

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>

#include "fsqlshm/error.h"
#include "fsqlshm/geometry.h"
#include "fsqlshm/types.h"

namespace fsqlshm {

/// Who may open a file.
struct FileAccess {
  mode_t mode = 0600;          ///< exactly these permissions, whatever the umask
  std::optional<uid_t> uid{};  ///< none: the creator's
  std::optional<gid_t> gid{};  ///< none: as the file system decides
};

/// Owner, group and mode of `database`: what its shared-memory file should have too, so that who
/// may open the one may open the other, and nobody else. Fails with kFileOpen or kFileNotRegular.
[[nodiscard]] std::expected<FileAccess, ShmError> access_of(const std::filesystem::path& database);

/// What a database knows from its durable files: the state of its header when nobody has that open.
struct DurableState {
  CommitSeq commit_seq{};       ///< the last commit
  SchemaEpoch schema_epoch{};   ///< the schema that it needs
  std::uint64_t ecs_epoch = 0;  ///< the third value of the snapshot
  /// No smaller id is handed out. Larger than every id that may be in the durable files.
  TxnId next_txn_id = *TxnId::from_raw(1);
};

/// Called while the caller is the only process that has the file open, before anybody else gets in.
/// An error, for example kRecoverFailed, fails the open, and so does what it throws; then the next to
/// open the file is the first. It may fork; the child has no part in this open.
/// REQUIRES: it neither opens the same file nor waits for somebody who does. An open by its own thread
/// fails with kFileLock (EDEADLK).
using Recover = std::function<std::expected<DurableState, ShmError>()>;

/// What a caller decides about a file when it opens it.
struct ShmFileOptions {
  PageSize page_size{};                               ///< of a new file
  std::uint32_t max_txn_slots = kDefaultMaxTxnSlots;  ///< of a new file; 0 means 128
  FileAccess access{};                                ///< of a new file

  /// Gives the state of a file that nobody has open: on first use, and after a reboot, a power loss
  /// or the death of all its users. Without it a new file starts at commit 0 and id 1, and an
  /// existing one is refused with kNeedsRecovery.
  Recover recover{};

  /// In the place of `recover`: what the file says holds. Ids may be handed out again and a stale
  /// triple accepted after a power loss, because the file is not synced while it is used.
  bool trust_found_state = false;
};

}  // namespace fsqlshm

#endif  // FSQLSHM_SHM_FILE_OPTIONS_H_
