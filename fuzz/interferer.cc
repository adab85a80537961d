#include "fuzz/interferer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "fuzz/file_checks.h"
#include "fuzz/file_oracle.h"

namespace fsqlshm::fuzz {

int Interferer::before(std::string_view call) {
  ++count_;
  if (call == "posix_fallocate") reserved_ = true;
  for (const Interference& entry : plan_) {
    if (entry.call != count_ || entry.of_creation != creation_) continue;
    if (entry.error == kInterferes) {
      take_the_name();
    } else if (entry.error == kTruncates) {
      truncated_ = ::truncate(path_.c_str(), 0) == 0 || truncated_;
    } else {
      if (call == "unlinkat") ++left_behind_;
      failures_.push_back({std::string(call), entry.error});
      must_fail_ = must_fail_ || !may_absorb(call, entry.error);
      return entry.error;
    }
  }
  return 0;
}

bool Interferer::explains(const ShmError& error) const {
  return std::ranges::any_of(failures_, [&](const Failed& failed) {
    return may_report(failed.call, failed.error, error);
  });
}

std::uint64_t Interferer::hidden() const {
  return static_cast<std::uint64_t>(std::ranges::count_if(failures_, [](const Failed& failed) {
    const bool looks =
        failed.call == "openat" || failed.call == "fstatat" || failed.call == "fstat";
    return looks && failed.error == ENOENT;
  }));
}

std::uint64_t Interferer::restarts() const {
  const auto taken = std::ranges::count_if(failures_, [](const Failed& failed) {
    return failed.call == "linkat" && failed.error == EEXIST;
  });
  return hidden() + static_cast<std::uint64_t>(taken) + (foreign_ ? 1 : 0);
}

std::string Interferer::failures() const {
  std::string text;
  for (const Failed& failed : failures_) {
    text += "call of " + failed.call + ": " + std::generic_category().message(failed.error) + "\n";
  }
  return text;
}

// Another process, which knows nothing of our locks, makes the file that is to be created, or puts a
// FIFO in the place of the one that is to be opened.
void Interferer::take_the_name() {
  if (creation_) {
    const FileSizeLimit none(RLIM_INFINITY);  // the limit is not the other one's
    std::error_code taken;
    foreign_ = std::filesystem::copy_file(foreign_file_, path_, taken) || foreign_;
  } else {
    fifo_ = (::unlink(path_.c_str()) == 0 && ::mkfifo(path_.c_str(), 0600) == 0) || fifo_;
  }
}

}  // namespace fsqlshm::fuzz
