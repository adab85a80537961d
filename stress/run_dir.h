// A folder for the files of one run, gone when the run is over.

#ifndef FSQLSHM_STRESS_RUN_DIR_H_
#define FSQLSHM_STRESS_RUN_DIR_H_

#include <expected>
#include <filesystem>
#include <string>

namespace fsqlshm::stress {

/// Removes what it made when it goes. Also removes, when made, the folders of earlier runs whose
/// process was killed before it could do so.
class RunDir {
 public:
  /// Under `parent`; if that is empty under /dev/shm where it exists, else under the folder for
  /// temporary files. The error is a sentence for a person.
  [[nodiscard]] static std::expected<RunDir, std::string> make(const std::filesystem::path& parent);

  RunDir(RunDir&& other) noexcept : path_(std::move(other.path_)) { other.path_.clear(); }
  RunDir& operator=(RunDir&&) = delete;
  ~RunDir();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  explicit RunDir(std::filesystem::path path) : path_(std::move(path)) {}
  std::filesystem::path path_;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_RUN_DIR_H_
