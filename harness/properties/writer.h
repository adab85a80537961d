// Judges every step of the serialized-writer indicator: P1 to P6, as ghost state.
//
// The oracle is told of every call (begin and end) and of every change of a word, in the step in
// which it happens; it knows which processes live and whose lease has run out.
//
//   P1 exclusion   An owner holds the indicator from its acquire until it releases it, or a check
//                  evicts it that may: after its lease, or its death. Until then no other acquire
//                  returns true and no check that knows of it answers ok. Nor does a check whose
//                  last look found a claim.
//   P2 integrity   All that time pid, birth and lease are the owner's.
//   P3 quiescence  A free indicator has no leftovers.
//   P4 crash       When all processes have ended and every lease has run out, a check answers ok and
//                  leaves four zeroes.
//   P5 eviction    An owner that lost the indicator gets false from release and writes nothing; the
//                  owner gets true.
//   P6 progress    acquire and release end after a few steps, and an acquire of an indicator that is
//                  free all the time, and known to be, succeeds. See also ProgressOracle.
//   busy           A check answers busy only if a writer was live that it may have met: not for one
//                  whose end, death or expired lease it knew of when it began. A lease that runs
//                  speaks for an owner that died only where the liveness is a guess.
//   unknown        A writer that gave no pid or no birth is judged by its lease alone, also when it is dead: no
//                  check ends its tenure before that, or takes over its claim or its cleaning.
//   clear          Ends the tenure or takes over the state that it was told to, and no other.
//
// Nothing is asked for that only real time would order: under weak memory a check may read a stale
// "free". Where a property is about what a thread must have seen, Execution::knows decides.

#ifndef FSQLSHM_HARNESS_PROPERTIES_WRITER_H_
#define FSQLSHM_HARNESS_PROPERTIES_WRITER_H_

#include <array>
#include <cstdint>
#include <optional>

#include "fsqlshm/process.h"
#include "fsqlshm/types.h"
#include "harness/properties/execution.h"

namespace fsqlshm::harness {

class WriterOracle {
 public:
  struct Rules {
    /// What the hardened indicator promises beyond the published one: only the thread that the
    /// state names writes the three words, and they are zero whenever the indicator is free.
    bool strict = true;
    /// The rule "busy". The published protocol breaks it: D6.
    bool honest_busy = true;
  };

  explicit WriterOracle(Execution& execution) : execution_(execution) {}
  void reset(Rules rules);

  /// REQUIRES: an id is used for one acquire.
  void acquire_begins(std::uint64_t id, int process, ProcessIdentity who, std::uint64_t lease);
  void acquire_ends(std::uint64_t id, bool acquired);
  void release_begins(std::uint64_t id);
  void release_ends(std::uint64_t id, bool released);
  /// `certain`: what the liveness denies is certain.
  void check_begins(std::uint64_t now, bool certain = false);
  void check_ends(Exclusion answer);
  /// The caller knows that who is named there is gone.
  void clear_begins(std::uint64_t state);
  void clear_ends(std::uint64_t state, bool cleared);
  /// check_serialized_writer.
  void look_begins();
  void look_ends(std::optional<TxnId> answer);
  /// The running thread dies in the middle of a call, or between two.
  void thread_dies();
  /// A word got another value, in the step of the running thread.
  void wrote(Field field, std::uint64_t old_value, std::uint64_t new_value);
  /// A plain store that nothing orders behind the store before it, which another thread made.
  void unordered_store(Field field);

  /// No call is under way and no process died: free means that all is zero.
  void at_rest();
  /// What is left is that of a writer that nothing can judge: `clear` alone repairs it.
  [[nodiscard]] bool left_by_the_unknown();
  /// Who has the indicator, or is on the way to it or from it, has died.
  [[nodiscard]] bool left_by_the_dead();
  /// After a check at the end of time: whatever was left behind is repaired.
  void repaired(Exclusion answer);

  /// See JudgedHeader::fingerprint.
  [[nodiscard]] std::uint64_t fingerprint() const;

  /// Tenures that a check ended.
  [[nodiscard]] unsigned evictions() const noexcept { return evictions_; }
  /// CLAIMING or CLEANING states of processes that died, taken over by another.
  [[nodiscard]] unsigned takeovers() const noexcept { return takeovers_; }

 private:
  static constexpr std::size_t kTenures = 32;
  /// Steps of an acquire or a release: the longest of them takes eight.
  static constexpr unsigned kMostSteps = 32;

  enum class Phase : std::uint8_t { kNone, kClaiming, kHeld, kReleasing, kEnded };
  enum class Kind : std::uint8_t { kNone, kAcquire, kRelease, kCheck, kClear, kLook };

  struct Tenure {
    std::uint64_t id = 0;
    Phase phase = Phase::kNone;
    ProcessIdentity who;
    std::uint64_t lease = 0;
    int thread = 0;
    int process = 0;
    std::uint64_t begin_mark = 0;  // the owner's work before acquire
    std::uint64_t held_mark = 0;   // acquire returned true
    int release_thread = 0;
    std::uint64_t release_mark = 0;  // the owner's work until it released
    bool released = false;           // ended by its release
    int ended_by = 0;                // the thread that moved the state on
    std::uint64_t end_mark = 0;      // when it did
    std::uint32_t end_store = 0;     // with this store of the id word
  };

  struct Call {
    Kind kind = Kind::kNone;
    std::uint64_t id = 0;  // clear: the state
    std::uint64_t now = 0;
    unsigned first_operation = 0;
    std::uint32_t known_held = 0;  // bit per tenure: held when the call began, and it knows
    std::uint32_t not_live = 0;    // tenures that are no reason to answer busy
    unsigned state_changes = 0;    // of the id word, before the call
    bool was_free = false;         // acquire: the id word was 0
    bool id_was_gone = false;      // release: the id word was another
    bool ended_own = false;        // release, clear: this call took the id (state) away
  };

  [[nodiscard]] Tenure* tenure(std::uint64_t id);
  [[nodiscard]] Call& call() { return calls_[execution_.slot()]; }
  [[nodiscard]] Call begin(Kind kind) const;
  [[nodiscard]] std::uint32_t known_held(bool also_stale, std::uint64_t now) const;
  [[nodiscard]] bool stale(const Tenure& tenure, std::uint64_t now) const;
  [[nodiscard]] bool may_be_live(const Tenure& tenure, std::uint64_t now, bool certain) const;
  void end_call(const Call& ended);
  void start_holding(Tenure& mine);
  void state_changed(std::uint64_t old_value, std::uint64_t new_value);
  void end_tenure(Tenure& left);
  void word_changed(Field field);
  void handed_over(std::uint32_t seen_store, std::string_view rule);
  [[nodiscard]] std::string_view word_defect(Field field);

  Execution& execution_;
  Rules rules_;
  std::size_t count_ = 0;  // tenures so far
  std::array<Tenure, kTenures> tenures_{};
  std::array<Call, Execution::kThreads + 1> calls_{};
  int state_thread_ = -1;  // of the CLAIMING or CLEANING that is there
  int state_process_ = -1;
  bool state_judgeable_ = true;  // its process gave a name
  bool interrupted_ = false;     // a thread died in the middle of a call
  unsigned state_changes_ = 0;
  unsigned evictions_ = 0;
  unsigned takeovers_ = 0;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_PROPERTIES_WRITER_H_
