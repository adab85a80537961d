// What this process has open: a leak shows as a difference.

#ifndef FSQLSHM_HARNESS_OPEN_FILES_H_
#define FSQLSHM_HARNESS_OPEN_FILES_H_

#include <filesystem>
#include <fstream>
#include <iterator>
#include <ostream>
#include <string>

namespace fsqlshm::harness {

struct OpenFiles {
  std::ptrdiff_t descriptors = 0;  ///< of anything
  std::ptrdiff_t mappings = 0;  ///< of files in the folder, also of such as have no name any more

  friend bool operator==(const OpenFiles&, const OpenFiles&) = default;
  friend std::ostream& operator<<(std::ostream& out, const OpenFiles& files) {
    return out << files.descriptors << " descriptors, " << files.mappings << " mappings";
  }
};

/// REQUIRES: `folder` is an absolute path without symbolic links.
[[nodiscard]] inline OpenFiles open_files(const std::filesystem::path& folder) {
  using std::filesystem::directory_iterator;
  OpenFiles files{.descriptors =
                      std::distance(directory_iterator("/proc/self/fd"), directory_iterator())};
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    files.mappings += line.contains(folder.string() + "/") ? 1 : 0;
  }
  return files;
}

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_OPEN_FILES_H_
