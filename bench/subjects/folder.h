// A folder for the files of one subject, in memory where the machine has a place for that.

#ifndef FSQLSHM_BENCH_SUBJECTS_FOLDER_H_
#define FSQLSHM_BENCH_SUBJECTS_FOLDER_H_

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

namespace fsqlshm::bench {

/// Removed with all that is in it, by the process that made it.
class Folder {
 public:
  /// Throws std::system_error.
  Folder() {
    if (::mkdtemp(path_.data()) == nullptr) {
      throw std::system_error(errno, std::generic_category(), "no folder " + path_);
    }
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

  [[nodiscard]] std::filesystem::path path(const char* name) const {
    return std::filesystem::path(path_) / name;
  }

 private:
  static std::filesystem::path parent() {
    return ::access("/dev/shm", W_OK) == 0 ? "/dev/shm" : std::filesystem::temp_directory_path();
  }

  std::string path_ = parent() / "fsqlshm-bench.XXXXXX";
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_SUBJECTS_FOLDER_H_
