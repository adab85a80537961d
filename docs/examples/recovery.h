// The state of the file after a reboot, a power loss or the death of all who had it open: what the
// database says in its own files.

#ifndef FSQLSHM_DOCS_EXAMPLES_RECOVERY_H_
#define FSQLSHM_DOCS_EXAMPLES_RECOVERY_H_

#include <expected>
#include <filesystem>
#include <fstream>

#include "fsqlshm/shm_file.h"

namespace fsqlshm::example {

// The last commit, and an id above all that may be in use: the database writes both to its disk
// before it uses them.
inline std::expected<DurableState, ShmError> recover(const std::filesystem::path& database) {
  std::uint64_t commit = 0;
  std::uint64_t next_id = 0;
  std::ifstream(database) >> commit >> next_id;
  const auto first_id = TxnId::from_raw(next_id);
  if (!first_id) return std::unexpected(ShmError(ShmErrorCode::kRecoverFailed));
  return DurableState{.commit_seq = CommitSeq(commit), .next_txn_id = *first_id};
}

// The first process that opens the file establishes its state; the others join. Who may open the
// database may open the file, and nobody else.
inline std::expected<ShmFile, ShmError> open(const std::filesystem::path& database) {
  const auto access = access_of(database);
  if (!access) return std::unexpected(access.error());
  ShmFileOptions options;
  options.access = *access;
  options.recover = [database] { return recover(database); };
  return ShmFile::open_or_create(database.string() + ".fsqlite-shm", options);
}

}  // namespace fsqlshm::example

#endif  // FSQLSHM_DOCS_EXAMPLES_RECOVERY_H_
