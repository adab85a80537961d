// The seam between the protocols and the memory they run on.
//
// Every protocol is written once, as a template over a type that performs the atomic operations on
// the header's words. Production code uses RawWords or OwnedWords below; each engine of the harness
// brings one more implementation (a model checker's atomics, a scheduler, a process that dies
// before its k-th step) and so attacks the very code that ships.

#ifndef FSQLSHM_WORDS_H_
#define FSQLSHM_WORDS_H_

#include <array>
#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>
#include <span>
#include <utility>

#include "fsqlshm/process.h"
#include "fsqlshm/wire_format.h"

namespace fsqlshm {

/// What a protocol needs. All operations are on 64-bit words and name their memory order; the
/// defaulted source_location tells an engine which line of which protocol asked.
///
///   load(field, order, where)
///   store(field, value, order, where)
///   compare_exchange(field, expected&, desired, success, failure, where): strong; on failure
///       `expected` becomes what was found
///   fetch_add(field, addend, order, where): the value before
///   pause(): called once in every turn of a loop that waits for another process
///   self(): the process on whose behalf the operations run
template <class W>
concept Words =
    requires(W& words, const W& const_words, Field field, std::uint64_t value,
             std::uint64_t& expected, std::memory_order order, std::source_location where) {
      { const_words.load(field, order) } -> std::same_as<std::uint64_t>;
      { const_words.load(field, order, where) } -> std::same_as<std::uint64_t>;
      words.store(field, value, order);
      words.store(field, value, order, where);
      { words.compare_exchange(field, expected, value, order, order) } -> std::same_as<bool>;
      { words.compare_exchange(field, expected, value, order, order, where) } -> std::same_as<bool>;
      { words.fetch_add(field, value, order) } -> std::same_as<std::uint64_t>;
      { words.fetch_add(field, value, order, where) } -> std::same_as<std::uint64_t>;
      const_words.pause();
      { const_words.self() } -> std::same_as<ProcessIdentity>;
    };

/// Tells the processor that this is a spin loop.
inline void cpu_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

/// The 27 words of a header in memory of its own, on cache lines of its own.
struct alignas(64) HeaderBlock : std::array<std::uint64_t, kHeaderWords> {
  /// All words 0.
  HeaderBlock() noexcept : array{} {}
  /// Copies them.
  explicit HeaderBlock(std::span<const std::byte, kHeaderSize> bytes) noexcept {
    std::memcpy(data(), bytes.data(), kHeaderSize);
  }
};
static_assert(sizeof(HeaderBlock) == 256 && alignof(HeaderBlock) == 64);

/// The seam in production: std::atomic_ref, made per operation and never kept, on the words of
/// `Storage`, which is anything that operator[] turns into 64-bit words.
///
/// Thread safety: any number of threads and processes may use the same words at the same time.
template <class Storage>
class AtomicWords {
 public:
  /// Storage that is made without an argument.
  AtomicWords() = default;
  /// Makes the storage in place from `argument`.
  template <class Argument>
    requires std::constructible_from<Storage, Argument>
  explicit AtomicWords(Argument&& argument) noexcept : storage_(std::forward<Argument>(argument)) {}

  /// The value of `field`; `order` is relaxed, acquire or seq_cst.
  [[nodiscard]] std::uint64_t load(
      Field field, std::memory_order order,
      std::source_location /*where*/ = std::source_location::current()) const noexcept {
    return ref(word_index(field)).load(order);
  }

  /// Sets `field`; `order` is relaxed, release or seq_cst.
  void store(Field field, std::uint64_t value, std::memory_order order,
             std::source_location /*where*/ = std::source_location::current()) noexcept {
    ref(word_index(field)).store(value, order);
  }

  /// Strong. Whether `field` was `expected` and is `desired` now; if not, `expected` is what was found.
  bool compare_exchange(Field field, std::uint64_t& expected, std::uint64_t desired,
                        std::memory_order success, std::memory_order failure,
                        std::source_location /*where*/ = std::source_location::current()) noexcept {
    return ref(word_index(field)).compare_exchange_strong(expected, desired, success, failure);
  }

  /// Adds to `field`, modulo 2^64. The value before.
  std::uint64_t fetch_add(
      Field field, std::uint64_t addend, std::memory_order order,
      std::source_location /*where*/ = std::source_location::current()) noexcept {
    return ref(word_index(field)).fetch_add(addend, order);
  }

  /// Called in every turn of a loop that waits for another process.
  void pause() const noexcept { cpu_pause(); }
  /// The calling process (this_process).
  [[nodiscard]] ProcessIdentity self() const noexcept { return this_process(); }

  /// Word `index` (0 to 26) of the header, immutable ones included: how a live header is
  /// serialised, never with memcpy.
  [[nodiscard]] std::uint64_t load_word(std::size_t index, std::memory_order order) const noexcept {
    return ref(index).load(order);
  }

  /// For the time before the header is shared.
  void store_word(std::size_t index, std::uint64_t value) noexcept {
    ref(index).store(value, std::memory_order::relaxed);
  }

 private:
  using Ref = std::atomic_ref<std::uint64_t>;
  static_assert(Ref::is_always_lock_free, "a lock would live in one process only");
  static_assert(Ref::required_alignment == 8, "the wire format aligns its words to 8 bytes");

  // atomic_ref<const T> comes only with C++26; a load does not write.
  [[nodiscard]] Ref ref(std::size_t index) const noexcept {
    return Ref(const_cast<std::uint64_t&>(storage_[index]));
  }

  Storage storage_{};
};

/// The words of memory that it does not own, for example a mapped file. Copyable like a pointer.
using RawWords = AtomicWords<std::uint64_t*>;

/// Words that live inside the object, 64-aligned.
using OwnedWords = AtomicWords<HeaderBlock>;

static_assert(Words<RawWords> && Words<OwnedWords>);

}  // namespace fsqlshm

#endif  // FSQLSHM_WORDS_H_
