// Judges every step of the serialized-writer indicator: P1 to P6 of the design, as ghost state.
//
// The oracle sees the calls (begin and end) and every change of a word, in the step in which they
// happen; it knows who lives and whose lease has run out. It never asks for what only real time
// would order: a check may well read a stale "free". Where a property is about what somebody must
// have seen, the happens-before clocks of the model decide.

#ifndef FSQLSHM_RELACY_WRITER_ORACLE_H_
#define FSQLSHM_RELACY_WRITER_ORACLE_H_

#include <array>
#include <cstdint>
#include <optional>

#include "fsqlshm/types.h"
#include "model.h"

namespace fsqlshm::relacy {

inline constexpr std::string_view kP1 = "P1 exclusion";
inline constexpr std::string_view kP2 = "P2 integrity";
inline constexpr std::string_view kP3 = "P3 quiescence";
inline constexpr std::string_view kP4 = "P4 crash";
inline constexpr std::string_view kP5 = "P5 eviction";
inline constexpr std::string_view kP6 = "P6 progress";
inline constexpr std::string_view kBusyProperty = "busy only for somebody live";

class WriterOracle {
 public:
  /// `strict`: also what the hardened indicator promises beyond the published one, namely that the
  /// three words are only written by whoever the state names and are zero whenever it is free.
  void reset(bool strict);
  /// Also demands of a protocol that is not strict that a check answers busy only if somebody held
  /// or claimed the indicator whose lease had not run out: D6.
  void demand_honest_busy() { honest_busy_ = true; }
  /// Everybody knows that this process is dead.
  void buried(int process) { buried_ |= 1U << process; }

  void acquire_begins(std::uint64_t id, int process, ProcessIdentity who, std::uint64_t lease);
  void acquire_ends(std::uint64_t id, bool acquired);
  void release_begins(std::uint64_t id);
  void release_ends(std::uint64_t id, bool released);
  void check_begins(std::uint64_t now);
  void check_ends(Exclusion answer);
  /// After check_serialized_writer.
  void looked(std::optional<TxnId> answer);
  void wrote(Field field, std::uint64_t old_value, std::uint64_t new_value);
  void unordered_store(Field field) const;

  /// At the end of an execution without deaths: free means that all is zero.
  void at_rest() const;
  /// After a check at the end of time: whatever was left behind is repaired.
  void repaired(Exclusion answer) const;

  /// Tenures that a check ended.
  [[nodiscard]] unsigned evictions() const noexcept { return evictions_; }
  /// CLAIMING or CLEANING states of the dead that somebody took over.
  [[nodiscard]] unsigned takeovers() const noexcept { return takeovers_; }

 private:
  static constexpr std::size_t kTenures = 10;
  enum class Phase : std::uint8_t { kNone, kClaiming, kHeld, kReleasing, kEnded };
  enum class Call : std::uint8_t { kNone, kAcquire, kRelease, kCheck };

  struct Tenure {
    Phase phase = Phase::kNone;
    ProcessIdentity who;
    std::uint64_t lease = 0;
    std::uint64_t pid_and_gen = 0;
    int thread = 0;
    int process = 0;
    std::uint64_t begin_mark = 0;  // the owner's work before acquire
    std::uint64_t held_mark = 0;   // acquire returned true
    int release_thread = 0;
    std::uint64_t release_mark = 0;  // the owner's work until it let go
    bool let_go = false;             // ended by its release
    int ended_by = 0;                // the thread that moved the state on
    std::uint64_t end_mark = 0;      // when it did
    std::uint32_t end_store = 0;     // with this store of the id word
  };

  struct ThreadCall {
    Call call = Call::kNone;
    std::uint64_t id = 0;
    std::uint64_t now = 0;
    std::uint32_t known_held = 0;  // bit per tenure
    std::uint32_t not_live = 0;    // tenures that are no reason to answer busy
  };

  [[nodiscard]] Tenure* tenure(std::uint64_t id) {
    return id != 0 && id < kTenures && tenures_[id].phase != Phase::kNone ? &tenures_[id] : nullptr;
  }
  [[nodiscard]] ThreadCall& call();
  [[nodiscard]] bool stale(const Tenure& tenure, std::uint64_t now) const;
  [[nodiscard]] bool may_be_live(const Tenure& tenure, std::uint64_t now) const;
  void state_changed(std::uint64_t old_value, std::uint64_t new_value);
  void word_changed(Field field);
  void handed_over(std::uint32_t seen_store, std::string_view what) const;

  bool strict_ = false;
  bool honest_busy_ = false;
  unsigned buried_ = 0;  // bit per process
  std::array<Tenure, kTenures> tenures_{};
  std::array<ThreadCall, kMaxThreads + 1> calls_{};
  int state_thread_ = -1;  // who wrote the CLAIMING or CLEANING that is there
  int state_process_ = -1;
  unsigned evictions_ = 0;
  unsigned takeovers_ = 0;
};

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_WRITER_ORACLE_H_
