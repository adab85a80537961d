// What is compared: ways to read and publish three words that belong together.
//
// A subject is a handle on something that lies in shared memory. All subjects are measured by the
// same loops, on memory of the same kind, in the same run.

#ifndef FSQLSHM_BENCH_SUBJECT_H_
#define FSQLSHM_BENCH_SUBJECT_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fsqlshm/types.h"
#include "fsqlshm/words.h"

namespace fsqlshm::bench {

/// The 24 bytes that every subject guards.
struct Triple {
  std::uint64_t commit_seq = 0;
  std::uint64_t schema_epoch = 0;
  std::uint64_t ecs_epoch = 0;

  friend constexpr bool operator==(const Triple&, const Triple&) noexcept = default;
};

[[nodiscard, gnu::always_inline]] inline Triple to_triple(const ShmSnapshot& snapshot) noexcept {
  return {snapshot.commit_seq.get(), snapshot.schema_epoch.get(), snapshot.ecs_epoch};
}

/// The triple of publish number `n`: any two of its words tell whether they belong together, and
/// making it costs next to nothing.
[[nodiscard]] constexpr Triple triple_of(std::uint64_t n) noexcept {
  return {
      .commit_seq = n, .schema_epoch = n + 0x1000000000000, .ecs_epoch = n ^ 0x5555555555555555};
}

/// Whether `triple` mixes the words of several publishes.
[[nodiscard]] constexpr bool torn(const Triple& triple) noexcept {
  return triple != triple_of(triple.commit_seq);
}

/// What results say of a subject.
struct SubjectFacts {
  std::string_view name;
  std::string_view source;   ///< whose it is
  std::string_view call;     ///< what a read and a publish call
  std::string_view adds{};   ///< what it does besides guarding 24 bytes
  std::string_view lacks{};  ///< what the caller has to see to
  bool reads_only = false;   ///< its publish is none that anybody would use, and is not measured
  bool racy = false;         ///< reads may be torn: a lower bound of the cost, not a solution
  bool across_processes = true;  ///< works in memory that processes share
  bool control = true;  ///< not this library's code, so a change of its times is the machine's
  bool peer = false;    ///< measured only if --peers asks for it
};

/// A subject S has
///   kFacts
///   Memory              what lies in the shared memory; default constructed there, it holds some triple
///   S(Memory&)          a handle, one for each thread, made in the thread that uses it
///   read()              the triple in force, however long it takes
///   try_read(triple)    one attempt; false if a publish got in the way
///   publish(triple)     one caller at a time
/// All of them are always inlined, so that inlining decisions favour none of them. A process has its
/// first handle on a Memory after it has forked others that use it: databases do not survive a fork.
template <class S>
concept Subject = requires(S subject, const S& reader, typename S::Memory& memory, Triple triple) {
  { S::kFacts } -> std::convertible_to<SubjectFacts>;
  S(memory);
  { reader.read() } -> std::same_as<Triple>;
  { reader.try_read(triple) } -> std::same_as<bool>;
  subject.publish(triple);
};

/// It may also have
///   move_by(bytes)      makes it a handle on memory so many bytes on, for chains of dependent reads
template <class S>
concept Movable = Subject<S> && requires(S subject) { subject.move_by(std::size_t{0}); };
/// and
///   die_within_publish()  begins a publish and kills this process in the middle of it
///   recover(triple)       ends what a dead publisher left, and publishes `triple`
template <class S>
concept Recoverable = Subject<S> && requires(S subject, Triple triple) {
  subject.die_within_publish();
  subject.recover(triple);
};

/// `object`, `bytes` further on.
template <class T>
[[nodiscard]] T& moved(T& object, std::size_t bytes) noexcept {
  return *reinterpret_cast<T*>(reinterpret_cast<std::byte*>(&object) + bytes);
}

/// Attempts until one succeeds. Counts those that failed.
template <class S>
[[nodiscard, gnu::always_inline]] inline Triple read_counting(const S& subject,
                                                              std::uint64_t& retries) {
  Triple triple;
  while (!subject.try_read(triple)) [[unlikely]] {
    ++retries;
    cpu_pause();
  }
  return triple;
}

/// The part that subjects have in common. `Self` derives from it and defines publish() and one of
/// read() and try_read(), which replaces the one here.
template <class Self, class MemoryOfSelf>
class Handle {
 public:
  using Memory = MemoryOfSelf;

  // The subjects inherit it, which a private one would not allow.
  // NOLINTNEXTLINE(bugprone-crtp-constructor-accessibility)
  explicit Handle(Memory& memory) noexcept : memory_(&memory) {}
  [[gnu::always_inline]] void move_by(std::size_t bytes) noexcept {
    memory_ = &moved(*memory_, bytes);
  }
  [[nodiscard, gnu::always_inline]] Triple read() const {
    std::uint64_t retries = 0;
    return read_counting(static_cast<const Self&>(*this), retries);
  }
  [[nodiscard, gnu::always_inline]] bool try_read(Triple& triple) const {
    triple = static_cast<const Self&>(*this).read();
    return true;
  }

 protected:
  Memory* memory_;
};

/// Makes the compiler produce the three words, in registers, here and now. The same for every
/// subject, and nothing that it assumes of memory survives it.
inline void consume(const Triple& triple) noexcept {
  asm volatile(""
               :
               : "r"(triple.commit_seq), "r"(triple.schema_epoch), "r"(triple.ecs_epoch)
               : "memory");
}

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_SUBJECT_H_
