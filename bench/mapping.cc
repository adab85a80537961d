#include "mapping.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

namespace fsqlshm::bench {

SharedPages::SharedPages(std::size_t bytes) : address_(MAP_FAILED), bytes_(bytes) {
  const int fd = ::memfd_create("fsqlshm-bench", MFD_CLOEXEC);
  if (fd >= 0 && ::ftruncate(fd, static_cast<off_t>(bytes)) == 0) {
    address_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, 0);
  }
  const int error = errno;
  if (fd >= 0) ::close(fd);
  if (address_ == MAP_FAILED) {
    throw std::system_error(error, std::generic_category(), "cannot map shared memory");
  }
}

SharedPages::~SharedPages() { ::munmap(address_, bytes_); }

}  // namespace fsqlshm::bench
