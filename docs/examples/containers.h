// Containers that share a volume: processes with pids and clocks of their own that use one file.

#ifndef FSQLSHM_DOCS_EXAMPLES_CONTAINERS_H_
#define FSQLSHM_DOCS_EXAMPLES_CONTAINERS_H_

#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

namespace fsqlshm::example {

// Runs `body` as process 1 of a container whose machine seems to have been up for a day more, and
// returns its exit status. What holds a lock there is alive for all, and nobody asks for its pid.
template <class Body>
int run_in_container(Body body) {
  if (::unshare(CLONE_NEWPID | CLONE_NEWTIME) != 0) return -1;  // no privilege
  std::ofstream("/proc/self/timens_offsets") << "boottime 86400 0\n";
  const pid_t process = ::fork();
  if (process == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // the end of the one who runs it is the container's
    ::_exit(body());
  }
  int status = 0;
  if (process < 0 || ::waitpid(process, &status, 0) != process) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace fsqlshm::example

#endif  // FSQLSHM_DOCS_EXAMPLES_CONTAINERS_H_
