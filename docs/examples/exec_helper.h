// A process that starts another program in the middle of a publish.

#ifndef FSQLSHM_DOCS_EXAMPLES_EXEC_HELPER_H_
#define FSQLSHM_DOCS_EXAMPLES_EXEC_HELPER_H_

#include <spawn.h>
#include <unistd.h>

#include <expected>

#include "fsqlshm/shm_file.h"

namespace fsqlshm::example {

// Tells `helper` of a commit before readers see it. The helper gets nothing of the file: no descriptor,
// no mapping, no lock. However long it runs, the lock is free when the guard or this process ends.
inline std::expected<pid_t, ShmError> publish_and_tell(ShmFile& file, CommitSeq commit,
                                                       const char* helper) {
  auto guard = file.lock_publication();
  if (!guard) return std::unexpected(guard.error());
  pid_t process = 0;
  const char* const words[] = {"sh", "-c", helper, nullptr};
  if (::posix_spawn(&process, "/bin/sh", nullptr, nullptr, const_cast<char**>(words), environ) !=
      0) {
    process = 0;  // there is no helper: the commit is none the worse for it
  }
  const auto published = guard->publish_snapshot(commit, SchemaEpoch(1), 0);
  if (!published) return std::unexpected(published.error());
  return process;
}

}  // namespace fsqlshm::example

#endif  // FSQLSHM_DOCS_EXAMPLES_EXEC_HELPER_H_
