#include "descriptor.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <new>
#include <vector>

namespace fsqlshm::internal {
namespace {

// The open descriptors of this process. Opening, closing and forking take turns, so that no child
// gets a descriptor that is not in the list yet, or not any more.
struct Registry {
  std::mutex mutex;
  std::vector<int> descriptors;
  bool handlers_installed = false;
  std::atomic<std::uint64_t> last_generation = 0;  // copied to children, so they count on
  std::atomic<std::uint64_t> without_page = 0;     // in the place of the page, if there is none
  std::atomic<std::uint64_t>* generation = make_page();  // 0 in a child that has not asked yet

  std::atomic<std::uint64_t>* make_page() noexcept {
    const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* const page =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return &without_page;
    if (::madvise(page, size, MADV_WIPEONFORK) != 0) {
      ::munmap(page, size);
      return &without_page;
    }
    return new (page) std::atomic<std::uint64_t>(0);
  }
};

// Never destroyed: objects of other files may be closed after it.
Registry& registry() noexcept {
  alignas(Registry) static std::array<std::byte, sizeof(Registry)> storage;
  static Registry& all = *new (storage.data()) Registry;
  return all;
}

void before_fork() { registry().mutex.lock(); }
void after_fork_in_parent() { registry().mutex.unlock(); }
void after_fork_in_child() {
  Registry& all = registry();
  for (const int fd : all.descriptors) ::close(fd);
  all.descriptors.clear();
  all.generation->store(0, std::memory_order::relaxed);  // for a kernel without MADV_WIPEONFORK
  all.mutex.unlock();
}

// REQUIRES: the registry is locked.
bool install_handlers(Registry& all) noexcept {
  if (all.handlers_installed) return true;
  errno = ::pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
  all.handlers_installed = errno == 0;
  return all.handlers_installed;
}

// Made and installed before there are threads: a child that is forked while another thread does it
// would wait for that thread for ever. What fails here is tried again by the first open.
[[maybe_unused]] const bool kReadyForForks = install_handlers(registry());

// A program that closed its standard descriptors gets their numbers for what it opens next, and
// what it then writes to its standard error would go into that.
int above_the_standard_ones(int fd) noexcept {
  if (fd > STDERR_FILENO) return fd;
  const int above = ::fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  const int error = errno;
  ::close(fd);
  errno = error;
  return above;
}

// Opening and closing are cancellation points, and glibc may cancel a thread right after the kernel
// has opened a file: then nobody would have the descriptor.
class CancellationDisabled {
 public:
  CancellationDisabled() noexcept { ::pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before_); }
  CancellationDisabled(const CancellationDisabled&) = delete;
  CancellationDisabled& operator=(const CancellationDisabled&) = delete;
  ~CancellationDisabled() { ::pthread_setcancelstate(before_, nullptr); }

 private:
  int before_ = 0;
};

}  // namespace

std::uint64_t process_generation() noexcept {
  Registry& all = registry();
  std::uint64_t generation = all.generation->load(std::memory_order::relaxed);
  if (generation != 0) [[likely]]
    return generation;
  const std::uint64_t next = all.last_generation.fetch_add(1, std::memory_order::relaxed) + 1;
  // Another thread may have been first; then its number is the process's.
  return all.generation->compare_exchange_strong(generation, next, std::memory_order::relaxed)
             ? next
             : generation;
}

Descriptor Descriptor::open_at(int directory, const char* name, int flags, mode_t mode) {
  Registry& all = registry();
  const CancellationDisabled no_cancellation;
  const std::scoped_lock hold(all.mutex);
  Descriptor opened;
  if (!install_handlers(all)) return opened;
  all.descriptors.reserve(all.descriptors.size() + 1);
  opened.generation_ = process_generation();
  do {
    opened.fd_ = ::openat(directory, name, flags | O_CLOEXEC | O_NOCTTY, mode);
  } while (opened.fd_ < 0 && errno == EINTR);
  if (opened.ok()) opened.fd_ = above_the_standard_ones(opened.fd_);
  if (opened.ok()) all.descriptors.push_back(opened.fd_);
  return opened;
}

int Descriptor::get() const noexcept { return generation_ == process_generation() ? fd_ : -1; }

int Descriptor::close() noexcept {
  if (!ok() || generation_ != process_generation()) return 0;
  const int saved = errno;
  const CancellationDisabled no_cancellation;
  Registry& all = registry();
  all.mutex.lock();
  all.descriptors.erase(std::ranges::find(all.descriptors, fd_));
  // Linux has closed it even if it reports an error.
  const int error = ::close(std::exchange(fd_, -1)) == 0 ? 0 : errno;
  all.mutex.unlock();
  errno = saved;
  return error;
}

Mapping Mapping::map(int fd, std::size_t size, int protection) noexcept {
  Mapping mapped;
  // A mapping holds the description too, so no fork may come between the two calls.
  const std::scoped_lock hold(registry().mutex);
  void* const address = ::mmap(nullptr, size, protection, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) return mapped;
  mapped.bytes_ = {static_cast<std::byte*>(address), size};
  mapped.generation_ = process_generation();
  if (::madvise(address, size, MADV_DONTFORK) != 0) mapped.unmap();
  return mapped;
}

int Mapping::unmap() noexcept {
  if (!ok() || generation_ != process_generation()) return 0;
  const int saved = errno;
  const int error = ::munmap(bytes_.data(), bytes_.size()) == 0 ? 0 : errno;
  bytes_ = {};
  errno = saved;
  return error;
}

}  // namespace fsqlshm::internal
