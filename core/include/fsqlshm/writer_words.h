// The three words next to the writer's id, and the rule that says when a writer is stale.

#ifndef FSQLSHM_WRITER_WORDS_H_
#define FSQLSHM_WRITER_WORDS_H_

#include <cstdint>

namespace fsqlshm {

/// The pid in serialized_writer_pid_and_gen; 0: unknown.
[[nodiscard]] constexpr std::uint32_t pid_of(std::uint64_t pid_and_gen) noexcept {
  return static_cast<std::uint32_t>(pid_and_gen);
}
/// The generation in serialized_writer_pid_and_gen; it wraps at 2^32.
[[nodiscard]] constexpr std::uint32_t generation_of(std::uint64_t pid_and_gen) noexcept {
  return static_cast<std::uint32_t>(pid_and_gen >> 32);
}

/// The word of the next owner: its pid, and the generation after `old`'s (which wraps at 2^32).
[[nodiscard]] constexpr std::uint64_t next_pid_and_gen(std::uint64_t old,
                                                       std::uint32_t pid) noexcept {
  const std::uint32_t generation = generation_of(old) + 1;
  return pid | (std::uint64_t{generation} << 32);
}

/// The end of the year 9999, in seconds since the epoch: a lease beyond it is in another unit.
inline constexpr std::uint64_t kMaxLease = 253'402'300'799;

/// Whether a process is known to be dead: only if pid and birth are set and `alive` denies it.
template <class Alive>
[[nodiscard]] bool known_dead(std::uint32_t pid, std::uint64_t birth, Alive&& alive) {
  return pid != 0 && birth != 0 && !alive(pid, birth);
}

/// What a writer says of itself, next to its id.
struct WriterWords {
  std::uint64_t pid_and_gen = 0;   ///< pid in the low half, generation in the high half
  std::uint64_t birth = 0;         ///< as in ProcessIdentity
  std::uint64_t lease_expiry = 0;  ///< seconds since the epoch, 0: no lease

  /// A lease, if set, decides alone: stale from its expiry on. Without one a writer is stale only
  /// when its process is known to be dead.
  template <class Alive>
  [[nodiscard]] bool stale(std::uint64_t now_epoch_secs, Alive&& alive) const {
    if (lease_expiry != 0) return now_epoch_secs >= lease_expiry;
    return known_dead(pid_of(pid_and_gen), birth, alive);
  }
};

}  // namespace fsqlshm

#endif  // FSQLSHM_WRITER_WORDS_H_
