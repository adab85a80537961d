// A server that forks its workers, all of which use one database.

#ifndef FSQLSHM_DOCS_EXAMPLES_PREFORK_SERVER_H_
#define FSQLSHM_DOCS_EXAMPLES_PREFORK_SERVER_H_

#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "docs/examples/recovery.h"

namespace fsqlshm::example {

// Runs `work` in this many processes until each has ended well: one that fails or dies is replaced.
// False if the file cannot be opened or a process not be made.
template <class Work>
bool serve(const std::filesystem::path& database, int workers, Work work) {
  // Kept open, so that the state in the file outlives all workers.
  const auto keeper = open(database);
  if (!keeper) return false;
  for (int running = 0; workers > 0;) {
    for (; running < workers; ++running) {
      const pid_t worker = ::fork();
      if (worker < 0) return false;
      if (worker > 0) continue;
      // What the parent has open is not for the child: this is another user of the file, with locks
      // of its own, which end when it ends.
      auto file = open(database);
      ::_exit(file && work(*file) ? 0 : 1);
    }
    int status = 0;
    if (::wait(&status) < 0) return false;
    --running;
    if (status == 0) --workers;
  }
  return true;
}

}  // namespace fsqlshm::example

#endif  // FSQLSHM_DOCS_EXAMPLES_PREFORK_SERVER_H_
