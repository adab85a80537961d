// Memory for the header of a subject, which may write where it should not.

#ifndef FSQLSHM_HARNESS_SUBJECT_MEMORY_H_
#define FSQLSHM_HARNESS_SUBJECT_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "fsqlshm.h"
#include "fsqlshm/wire_format.h"
#include "harness/guarded.h"
#include "harness/result.h"

namespace fsqlshm::harness {

class Subject;

/// Memory for one header of a subject: shared with every child forked from now on, between pages that
/// cannot be touched, and between bytes that are watched. The header ends where the page ends, as far as
/// its alignment allows, so an access beyond either end of its pages is a SIGSEGV.
class SubjectMemory {
 public:
  /// Throws std::system_error if there is no memory.
  explicit SubjectMemory(const Subject& subject);
  /// REQUIRES: `alignment` is a power of two; both are at most 4096.
  SubjectMemory(std::size_t size, std::size_t alignment);
  SubjectMemory(SubjectMemory&& other) noexcept;
  SubjectMemory& operator=(SubjectMemory&&) = delete;
  ~SubjectMemory();

  [[nodiscard]] fsqlshm_header* header() const noexcept {
    return reinterpret_cast<fsqlshm_header*>(object_);
  }
  [[nodiscard]] std::span<std::byte> bytes() const noexcept { return {object_, size_}; }
  /// An atomic word; relaxed.
  [[nodiscard]] std::uint64_t load(const Subject& subject, Field field) const noexcept;
  void store(const Subject& subject, Field field, std::uint64_t value) const noexcept;

  /// What was written next to the header since it was made, as a sentence; none if nothing was.
  [[nodiscard]] std::optional<std::string> written_outside() const;
  /// An address in the words of a person: "8 bytes behind the end of the header"; none if it is not
  /// within the pages around it.
  [[nodiscard]] std::optional<std::string> describe(const void* address) const;

 private:
  std::byte* base_ = nullptr;  // the first guard page
  std::size_t pages_ = 0;      // bytes between the guard pages
  std::byte* object_ = nullptr;
  std::size_t size_ = 0;
};

/// The findings that every engine has: a call of a subject that did not return, and bytes that it wrote
/// next to its header. `replay` is the command that shows it again.
[[nodiscard]] Finding call_did_not_return(const GuardedFailure& failure,
                                          const SubjectMemory& memory, std::string replay);
[[nodiscard]] std::optional<Finding> wrote_outside(const SubjectMemory& memory, std::string replay);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SUBJECT_MEMORY_H_
