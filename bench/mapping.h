// An object in memory that processes share.

#ifndef FSQLSHM_BENCH_MAPPING_H_
#define FSQLSHM_BENCH_MAPPING_H_

#include <cstddef>
#include <new>

namespace fsqlshm::bench {

/// Pages of a file in memory (memfd), mapped shared and present from the start. Forked children
/// see the same bytes.
class SharedPages {
 public:
  /// Throws std::system_error.
  explicit SharedPages(std::size_t bytes);
  ~SharedPages();
  SharedPages(const SharedPages&) = delete;
  SharedPages& operator=(const SharedPages&) = delete;

  [[nodiscard]] void* address() const noexcept { return address_; }

 private:
  void* address_;
  std::size_t bytes_;
};

template <class T>
class Mapped {
 public:
  Mapped() : pages_(sizeof(T)), object_(new(pages_.address()) T()) {}
  ~Mapped() { object_->~T(); }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  [[nodiscard]] T& operator*() const noexcept { return *object_; }
  [[nodiscard]] T* operator->() const noexcept { return object_; }

 private:
  SharedPages pages_;
  T* object_;
};

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_MAPPING_H_
