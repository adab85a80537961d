// What the processes of one cell of the catalogue know together: the durable files of the database
// whose header is attacked, what was promised to anybody, and what each process saw.

#ifndef FSQLSHM_STRESS_WORLD_WORLD_H_
#define FSQLSHM_STRESS_WORLD_WORLD_H_

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "fsqlshm/shm_file.h"
#include "stress/register_log.h"

namespace fsqlshm::world {

using stress::triple_of;

// Seconds since the epoch, for leases.
inline constexpr std::uint64_t kNow = 1'000'000;
inline constexpr std::uint64_t kLease = kNow + 30;

/// What is durable when a cell begins.
inline constexpr std::uint64_t kFirstCommit = 5;

/// Text that processes append to; what does not fit is lost.
template <std::size_t kSize>
class SharedText {
 public:
  void add(std::string_view line) {
    const std::size_t begin = used_.fetch_add(line.size() + 1);
    if (begin + line.size() + 1 > kSize) return;
    for (std::size_t i = 0; i < line.size(); ++i) text_[begin + i] = line[i];
    text_[begin + line.size()] = '\n';
  }
  [[nodiscard]] std::string text() const {
    std::string all(text_.data(), std::min(used_.load(), kSize));
    std::erase(all, '\0');  // of a process that died in `add`
    return all;
  }

 private:
  std::atomic<std::size_t> used_ = 0;
  std::array<char, kSize> text_{};
};

/// In memory that all processes of a cell share.
struct World {
  // The database's durable files.
  std::atomic<std::uint64_t> durable =
      kFirstCommit;                       ///< number of the last commit; what recover answers
  std::atomic<bool> ids_durable = false;  ///< it knows of all ids, not only of the first

  std::atomic<uid_t> uid = 0;  ///< its owner; 0: who makes the file

  // What was promised.
  std::atomic<std::uint64_t> acknowledged =
      0;                                      ///< number of the last triple whose publish returned
  std::atomic<std::uint64_t> largest_id = 0;  ///< of those that were handed out
  std::array<std::atomic<bool>, 4096> handed_out{};
  std::atomic<int> recoveries = 0;       ///< calls of recover that came to their end
  std::atomic<bool> guard_held = false;  ///< by the subject
  std::atomic<std::uint64_t> owner = 0;  ///< id with which the subject is the serialized writer

  // The event.
  std::atomic<bool> clock_jumped = false;  ///< a lease of the subject ended by somebody's clock
  std::atomic<bool> calls_fail = false;

  // The subject.
  std::atomic<pid_t> thread = 0;  ///< the one whose moments count, when it is ready
  std::atomic<pid_t> child = 0;   ///< of an event
  std::atomic<bool> began = false;
  std::atomic<bool> done = false;
  std::atomic<bool> operation_over = false;  ///< done, or its thread is gone
  std::atomic<bool> child_began = false;     ///< fork has returned in the child
  std::atomic<bool> child_done = false;      ///< of a child that uses the file
  std::atomic<int> error = -1;               ///< a ShmErrorCode; -1: none
  std::atomic<int> error_again = -1;
  std::atomic<int> unexpected_descriptors = 0;
  std::atomic<int> unexpected_mappings = 0;

  SharedText<2048> blames;
  SharedText<16384> notes;

  /// A property that does not hold: "W4 first opener".
  void blame(std::string_view property, std::string_view what) {
    blames.add(std::string(property) + "\t" + std::string(what));
    note("  VIOLATION " + std::string(property) + ": " + std::string(what));
  }
  void note(std::string_view what) { notes.add(what); }

  /// Somebody got this id.
  void hand_out(TxnId id);
  /// Somebody read this triple from a file in whose state it trusts.
  void judge_read(const ShmSnapshot& seen, std::string_view who);
};

inline constexpr std::string_view kW1 = "W1 fork";
inline constexpr std::string_view kW2 = "W2 end of use";
inline constexpr std::string_view kW3 = "W3 no false death";
inline constexpr std::string_view kW4 = "W4 first opener";
inline constexpr std::string_view kW5 = "W5 one file";
inline constexpr std::string_view kW6 = "W6 calls fail";
inline constexpr std::string_view kW7 = "W7 who may";

/// Goes on as another user, if that is not 0; still ends with the process that started it.
[[nodiscard]] bool become(uid_t user);

/// For a file whose state this database knows.
[[nodiscard]] ShmFileOptions options_of(World& world);

/// Allocates an id and says so.
std::optional<TxnId> allocate(auto& file, World& world) {
  const auto id = file.layout().alloc_txn_id();
  if (id) world.hand_out(*id);
  return id;
}

/// The database commits, then publishes through `guard`.
std::expected<void, ShmError> commit_and_publish(auto& guard, World& world) {
  const std::uint64_t n = ++world.durable;
  const ShmSnapshot next = triple_of(n);
  const auto published = guard.publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch);
  if (published) world.acknowledged = n;
  return published;
}

/// Puts in force what is durable.
std::expected<void, ShmError> reconcile(auto& guard, World& world) {
  const std::uint64_t n = world.durable;
  const ShmSnapshot next = triple_of(n);
  const auto done = guard.reconcile(next.commit_seq, next.schema_epoch, next.ecs_epoch);
  if (done) world.acknowledged = n;
  return done;
}

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_WORLD_H_
