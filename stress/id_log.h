// Every transaction id that was handed out, over all processes: none twice, and none lost but by
// threads that were killed.
//
// Ids are marked in a window of bits that moves along with the allocator. Workers mark; only the
// parent, which is never killed, moves the window, and notes the ids that are missing in what it
// leaves behind. A worker that was stopped for so long that its id fell out of the window posts the
// id in a list instead; it must be one of the missing.
//
// Each word holds 32 ids and, in its upper half, the number of the block they are from, so that a
// mark can never hit another block's bits.

#ifndef FSQLSHM_STRESS_ID_LOG_H_
#define FSQLSHM_STRESS_ID_LOG_H_

#include <sched.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <set>
#include <vector>

namespace fsqlshm::stress {

/// The part in shared memory.
class IdLog {
 public:
  static constexpr std::uint64_t kIdsPerBlock = 32;
  static constexpr std::uint64_t kBlocks = 1 << 16;
  static constexpr std::uint64_t kWindow = kBlocks * kIdsPerBlock;
  static constexpr std::uint64_t kMaxLate = 1 << 14;

  IdLog() {
    for (std::uint64_t block = 0; block < kBlocks; ++block) words_[block] = block << 32;
    words_[0] |= 1;  // 0 is no id
  }

  /// False if the id was marked before. Waits while the window is a whole length behind.
  [[nodiscard]] bool mark(std::uint64_t id) {
    const std::uint64_t block = id / kIdsPerBlock;
    const auto wanted = static_cast<std::uint32_t>(block);
    const std::uint64_t bit = std::uint64_t{1} << (id % kIdsPerBlock);
    std::atomic<std::uint64_t>& slot = words_[block % kBlocks];
    std::uint64_t word = slot.load(std::memory_order_relaxed);
    while (true) {
      const auto ahead = static_cast<std::int32_t>(static_cast<std::uint32_t>(word >> 32) - wanted);
      if (ahead > 0) return post_late(id);
      if (ahead < 0) {
        ::sched_yield();
        word = slot.load(std::memory_order_relaxed);
        continue;
      }
      if ((word & bit) != 0) return false;
      if (slot.compare_exchange_weak(word, word | bit, std::memory_order_acq_rel)) return true;
    }
  }

  /// Whether the window ends before `id`: to mark it is to wait.
  [[nodiscard]] bool ahead(std::uint64_t id) const {
    return id / kIdsPerBlock >= first_.load(std::memory_order_relaxed) + kBlocks;
  }
  /// In the place of marking it, for an id that is ahead when the run ends.
  bool post_late(std::uint64_t id) {
    const std::uint64_t index = late_count_.fetch_add(1);
    if (index < kMaxLate) late_[index].store(id);
    return true;
  }

  [[nodiscard]] std::uint64_t late_count() const { return late_count_.load(); }

 private:
  friend class IdAuditor;

  std::array<std::atomic<std::uint64_t>, kBlocks> words_{};
  std::atomic<std::uint64_t> first_ = 0;  // the oldest block in the window
  std::atomic<std::uint64_t> late_count_ = 0;
  std::array<std::atomic<std::uint64_t>, kMaxLate> late_{};
};

/// The parent's part.
class IdAuditor {
 public:
  explicit IdAuditor(IdLog& log) : log_(log) {}

  /// Moves the window, so that ids around `next_txn_id` are in its second half.
  void advance(std::uint64_t next_txn_id) {
    const std::uint64_t block = next_txn_id / IdLog::kIdsPerBlock;
    if (block > IdLog::kBlocks / 2 && !jumped(next_txn_id))
      leave_behind(block - IdLog::kBlocks / 2);
  }

  /// Whether `next_txn_id` is no number that came by counting: who has an id waits for the window, so an allocator
  /// that counts is never two windows ahead.
  [[nodiscard]] bool jumped(std::uint64_t next_txn_id) const {
    return next_txn_id / IdLog::kIdsPerBlock > log_.first_ + 2 * IdLog::kBlocks;
  }

  struct Summary {
    std::vector<std::uint64_t> lost;        ///< allocated, never marked
    std::vector<std::uint64_t> duplicates;  ///< posted late though they were marked in time
    bool overflow = false;                  ///< more late ids than the list holds
    bool jumped = false;                    ///< see below; then there is nothing else to say
  };
  /// REQUIRES: all workers are gone. Ids below `next_txn_id` were handed out.
  [[nodiscard]] Summary finish(std::uint64_t next_txn_id) {
    Summary summary;
    summary.jumped = jumped(next_txn_id);
    if (summary.jumped) return summary;
    leave_behind(next_txn_id / IdLog::kIdsPerBlock + 1);
    summary.overflow = log_.late_count_ > IdLog::kMaxLate;
    for (std::uint64_t i = 0; i < std::min(log_.late_count_.load(), IdLog::kMaxLate); ++i) {
      const std::uint64_t id = log_.late_[i];
      // 0: its poster died between taking the place and filling it.
      if (id != 0 && missing_.erase(id) == 0) summary.duplicates.push_back(id);
    }
    for (const std::uint64_t id : missing_) {
      if (id < next_txn_id) summary.lost.push_back(id);
    }
    return summary;
  }

 private:
  // All blocks below `end`.
  void leave_behind(std::uint64_t end) {
    for (std::uint64_t first = log_.first_; first < end; log_.first_ = ++first) {
      const std::uint64_t next = (first + IdLog::kBlocks) << 32;
      const std::uint64_t word = log_.words_[first % IdLog::kBlocks].exchange(next);
      if (static_cast<std::uint32_t>(word) == 0xffffffff) continue;
      for (std::uint64_t i = 0; i < IdLog::kIdsPerBlock; ++i) {
        if ((word >> i & 1) == 0) missing_.insert(first * IdLog::kIdsPerBlock + i);
      }
    }
  }

  IdLog& log_;
  std::set<std::uint64_t> missing_;  // of the blocks left behind
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_ID_LOG_H_
