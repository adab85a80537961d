#include "fuzz/interferer.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace fsqlshm::fuzz {

int Interferer::before(std::string_view call) {
  ++count_;
  if (error_ && call != "unlinkat") went_on_ = true;
  if (call == "posix_fallocate") reserved_ = true;
  follow(call);
  int error = 0;
  for (const Interference& entry : plan_) {
    if (error != 0) break;
    if (entry.call != count_ || entry.of_creation != (task_ != Task::kOpen)) continue;
    error = entry.error;
    if (error == 0) take_the_name(call);
  }
  if (error != 0) {
    fail(call, error);
  } else if (call == "linkat") {
    linked_ = !foreign_;
  }
  return error;
}

// Which part of the work this call belongs to: "open" is of the file after a look at it, and of the
// folder otherwise.
void Interferer::follow(std::string_view call) {
  if (call == "fstatat") {
    stage_ = Stage::kLooking;
  } else if (call == "open") {
    stage_ = stage_ == Stage::kLooking && !missing_ ? Stage::kOpening : Stage::kCreating;
  }
  missing_ = call == "fstatat" && !std::filesystem::exists(std::filesystem::symlink_status(path_));
}

// Whether the task goes on after this failure, by another way.
bool Interferer::absorbs(std::string_view call, int error, bool looking) const {
  if (call == "pwrite" && error == EINTR) return true;
  if (call == "posix_fallocate") return error == EINTR;
  if (call == "openat" && error == EEXIST) return true;
  if (call == "openat(O_TMPFILE)" && (error == EOPNOTSUPP || error == EISDIR || error == EINVAL)) {
    return true;
  }
  if (task_ != Task::kOpenOrCreate) return false;
  return (looking && error == ENOENT && call != "mmap") || (call == "linkat" && error == EEXIST);
}

void Interferer::fail(std::string_view call, int error) {
  if (call == "unlinkat") {
    ++left_behind_;
    return;
  }
  const bool looking = stage_ != Stage::kCreating;
  missing_ = missing_ || looking;  // an open that failed is not followed by one of the file
  if (absorbs(call, error, looking) || error_) return;
  const auto code = [&] {
    if (call == "mmap") return ShmErrorCode::kFileMap;
    if (call == "posix_fallocate") return ShmErrorCode::kFileNoSpace;
    if (call == "fsync") return ShmErrorCode::kFileSync;
    if (call == "fstat" || looking) return ShmErrorCode::kFileOpen;
    if (call == "linkat" && error == EEXIST) return ShmErrorCode::kFileExists;
    return ShmErrorCode::kFileCreate;
  };
  error_ = ShmError(code(), static_cast<std::uint64_t>(error));
}

// Another process makes the file that is to be created, or puts a FIFO in the place of the one that
// is to be opened.
void Interferer::take_the_name(std::string_view call) {
  if (task_ != Task::kOpen) {
    foreign_ = ::link(foreign_file_.c_str(), path_.c_str()) == 0 || foreign_;
    missing_ = false;
  } else if (call == "fstatat" || call == "open") {
    fifo_ = ::unlink(path_.c_str()) == 0 && ::mkfifo(path_.c_str(), 0600) == 0;
  }
}

}  // namespace fsqlshm::fuzz
