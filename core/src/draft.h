// A file in the making: it has no name, or one that nobody looks for, until it is given its own. If
// it is synced before, nobody finds half a file under its name, not even after a power loss.

#ifndef FSQLSHM_SRC_DRAFT_H_
#define FSQLSHM_SRC_DRAFT_H_

#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>

#include "descriptor.h"
#include "fsqlshm/error.h"
#include "fsqlshm/shm_file_options.h"

namespace fsqlshm::internal {

/// Makes sure that the first `size` bytes of an open file have their space on the disk, so that a
/// full disk is an error here and no SIGBUS later. Fails with kFileNoSpace.
[[nodiscard]] std::expected<void, ShmError> reserve(int fd, std::uint64_t size);

class Draft {
 public:
  /// REQUIRES: `directory` stays open. Fails with kFileCreate.
  [[nodiscard]] static std::expected<Draft, ShmError> make(int directory, std::string name);

  Draft(Draft&& other) noexcept = default;
  Draft& operator=(Draft&& other) = delete;
  /// Removes what has not got its name.
  ~Draft();

  /// Reserves `size` bytes and writes `start` to the first of them. Fails with kFileNoSpace or
  /// kFileCreate.
  [[nodiscard]] std::expected<void, ShmError> fill(std::span<const std::byte> start,
                                                   std::uint64_t size) const;
  /// Exactly this mode and, where given, this owner. Fails with kFileOwner or kFileCreate.
  [[nodiscard]] std::expected<void, ShmError> set_access(const FileAccess& access) const;

  /// Writes it to its disk. Fails with kFileSync.
  [[nodiscard]] std::expected<void, ShmError> sync() const;
  /// Gives it its name. Fails with kFileExists or kFileCreate.
  [[nodiscard]] std::expected<void, ShmError> link();
  /// Gives it its name, in the place of the file that has it. Fails with kFileCreate.
  [[nodiscard]] std::expected<void, ShmError> replace();
  /// Writes the name to the disk. Fails with kFileSync.
  [[nodiscard]] std::expected<void, ShmError> sync_directory() const;
  /// The file, open for reading and writing.
  [[nodiscard]] Descriptor take_file() { return std::move(file_); }

 private:
  Draft(int directory, std::string name, Descriptor file)
      : directory_(directory), name_(std::move(name)), file_(std::move(file)) {}
  [[nodiscard]] std::string next_temporary_name() const;
  /// 0 or an errno.
  [[nodiscard]] int link_as(const std::string& name) const;
  int directory_;
  std::string name_;
  Descriptor file_;
  std::string temporary_name_{};  // empty: it has none
};

}  // namespace fsqlshm::internal

#endif  // FSQLSHM_SRC_DRAFT_H_
