// The seam over a file's bytes by pread and pwrite: for the one process that has the file open for
// writing. A file that somebody truncates meanwhile is an error here, where a mapping would be a
// SIGBUS.
//
// Who may have the file mapped meanwhile is a reader that kept it from before. No document says that the
// kernel copies an aligned word whole. On x86-64 with fast short `rep movsb` (Linux 6.18) none of 3.1
// million changes that another thread saw through a mapping was torn, of 12 million that were written.

#ifndef FSQLSHM_SRC_POSITIONED_WORDS_H_
#define FSQLSHM_SRC_POSITIONED_WORDS_H_

#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <source_location>

#include "fsqlshm/words.h"

namespace fsqlshm::internal {

/// After the first operation that fails, error() says why, loads return 0 and stores do nothing.
class PositionedWords {
 public:
  explicit PositionedWords(int fd) noexcept : fd_(fd) {}

  /// 0 or an errno; ENODATA where the file ends too early.
  [[nodiscard]] int error() const noexcept { return error_; }

  [[nodiscard]] std::uint64_t load_word(std::size_t index) const {
    std::uint64_t value = 0;
    transfer([&] { return ::pread(fd_, &value, sizeof value, offset_of(index)); });
    return error_ == 0 ? value : 0;
  }
  [[nodiscard]] std::uint64_t load(
      Field field, std::memory_order /*order*/,
      std::source_location /*where*/ = std::source_location::current()) const {
    return load_word(word_index(field));
  }
  void store(Field field, std::uint64_t value, std::memory_order /*order*/,
             std::source_location /*where*/ = std::source_location::current()) {
    transfer([&] { return ::pwrite(fd_, &value, sizeof value, offset_of(word_index(field))); });
  }
  // Not atomic: there is no other writer.
  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order success, std::memory_order /*failure*/,
                        std::source_location where = std::source_location::current()) {
    const std::uint64_t found = load(field, success, where);
    if (found == expected) {
      store(field, desired, success, where);
      return true;
    }
    expected = found;
    return false;
  }
  std::uint64_t fetch_add(Field field, std::uint64_t addend, std::memory_order order,
                          std::source_location where = std::source_location::current()) {
    const std::uint64_t found = load(field, order, where);
    store(field, found + addend, order, where);
    return found;
  }
  void pause() const noexcept {}
  [[nodiscard]] ProcessIdentity self() const { return {}; }

 private:
  static off_t offset_of(std::size_t index) noexcept {
    return static_cast<off_t>(index * sizeof(std::uint64_t));
  }
  template <class Call>
  void transfer(Call&& call) const {
    if (error_ != 0) return;
    ssize_t done = 0;
    do {
      done = call();
    } while (done < 0 && errno == EINTR);
    if (done != sizeof(std::uint64_t)) error_ = done < 0 ? errno : ENODATA;
  }

  int fd_;
  mutable int error_ = 0;
};

static_assert(Words<PositionedWords>);

}  // namespace fsqlshm::internal

#endif  // FSQLSHM_SRC_POSITIONED_WORDS_H_
