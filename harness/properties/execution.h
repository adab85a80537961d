// What an oracle of the properties may ask of the execution that it judges, and how it says what it
// found. Each engine that controls the order of steps implements this once: the model checker,
// schedules.

#ifndef FSQLSHM_HARNESS_PROPERTIES_EXECUTION_H_
#define FSQLSHM_HARNESS_PROPERTIES_EXECUTION_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fsqlshm/wire_format.h"

namespace fsqlshm::harness {

// The serialized-writer indicator.
inline constexpr std::string_view kP1 = "P1 exclusion";
inline constexpr std::string_view kP2 = "P2 integrity";
inline constexpr std::string_view kP3 = "P3 quiescence";
inline constexpr std::string_view kP4 = "P4 crash";
inline constexpr std::string_view kP5 = "P5 eviction";
inline constexpr std::string_view kP6 = "P6 progress";
inline constexpr std::string_view kBusyProperty = "busy only for a live writer";
// The seqlock, ids and the gc horizon.
inline constexpr std::string_view kI1Even = "I1 even at rest";
inline constexpr std::string_view kI2Whole = "I2 whole triple";
inline constexpr std::string_view kI3Back = "I3 no going back";
inline constexpr std::string_view kI4Ddl = "I4 schema before commit";
inline constexpr std::string_view kVisibility = "visibility";
inline constexpr std::string_view kIdUnique = "I1 unique ids";
inline constexpr std::string_view kIdDomain = "I2 ids end at 2^62-1";
inline constexpr std::string_view kIdOrder = "I3 ids in order";
// The same of real threads, of which only logs know what they did.
inline constexpr std::string_view kSnapshotIntegrity = "snapshot integrity";
inline constexpr std::string_view kSnapshotLinear = "snapshot linearizability";
inline constexpr std::string_view kTxnIdsUnique = "txn ids are unique";
inline constexpr std::string_view kTxnIdsAscend = "txn ids ascend";
inline constexpr std::string_view kTxnIdsNotLost = "txn ids are not lost";

/// A property that does not hold. The texts live as long as the call that passes them.
struct Violation {
  std::string_view property;  ///< "P1 exclusion"
  std::string_view rule;      ///< what happened, without values: names the way it was broken
  std::string_view detail;    ///< the values; may be empty
  std::string_view defect;    ///< the defect of `reference` that shows like this, "D5"; or empty
};

/// Marks and clocks: `mark` numbers a point of the running thread, and `knows` says whether that
/// point happens-before this one. Threads are numbered from 0; -1 stands for what comes before the
/// threads start and after the last one ended, which sees everything.
class Execution {
 public:
  static constexpr std::size_t kThreads = 8;
  [[nodiscard]] virtual int thread() const = 0;
  /// Where the running thread's own is in an array of kThreads + 1.
  [[nodiscard]] std::size_t slot() const {
    const int running = thread();
    return running < 0 ? kThreads : static_cast<std::size_t>(running);
  }
  [[nodiscard]] virtual int process() const = 0;
  /// Whether every step sees all steps before it. Then `knows` is always true.
  [[nodiscard]] bool sequentially_consistent() const noexcept { return sequentially_consistent_; }
  [[nodiscard]] virtual std::uint64_t mark() = 0;
  /// The time of the running thread's last step, for `knows`.
  [[nodiscard]] virtual std::uint64_t clock() const = 0;
  [[nodiscard]] virtual bool knows(int thread, std::uint64_t mark) const = 0;

  /// What the kernel says of a process: false only after it died.
  [[nodiscard]] virtual bool alive(std::uint32_t pid, std::uint64_t birth) = 0;
  [[nodiscard]] virtual bool died(int process) const = 0;
  /// Whether the death of `process` happens-before this point.
  [[nodiscard]] virtual bool knows_dead(int process) const = 0;
  /// Atomic steps of the running thread so far. REQUIRES: thread() >= 0.
  [[nodiscard]] virtual unsigned operations() const = 0;

  /// The newest value of a word, and the number of the store that it came with; numbers ascend.
  [[nodiscard]] virtual std::uint64_t newest(Field field) const = 0;
  [[nodiscard]] virtual std::uint32_t newest_store(Field field) const = 0;

  /// Whether a compare_exchange of the running thread would find the newest value. In C++ one that
  /// fails may, like a load, read any store that nothing forbids.
  [[nodiscard]] virtual bool must_find_newest(Field /*field*/) const { return true; }
  /// The number of the store that the running thread read last from this word.
  [[nodiscard]] virtual std::uint32_t observed(Field field) const = 0;
  /// The value that the running thread read last from this word, or put there.
  [[nodiscard]] virtual std::uint64_t observed_value(Field field) const = 0;

  /// Before an operation of the header, and before its oracles are told of it.
  virtual void before_call() {}
  /// May end the execution and not return. If it returns, the oracle goes on, and does not report
  /// the same loss of the same owner again.
  virtual void violated(const Violation& violation) = 0;
  /// A remark in the trace, if one is kept.
  [[nodiscard]] bool recording() const noexcept { return recording_; }
  virtual void remark(std::string_view text) = 0;
  /// Whether the oracles are told of calls. Not where an engine only wants to know what a thread does.
  [[nodiscard]] bool judging() const noexcept { return judging_; }

 protected:
  Execution(bool sequentially_consistent, bool recording)
      : sequentially_consistent_(sequentially_consistent), recording_(recording) {}
  ~Execution() = default;
  void record(bool recording) noexcept { recording_ = recording; }
  void tell_oracles(bool tell) noexcept { judging_ = tell; }

 private:
  const bool sequentially_consistent_;
  bool recording_;  // asked at every step: no virtual call
  bool judging_ = true;
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_PROPERTIES_EXECUTION_H_
