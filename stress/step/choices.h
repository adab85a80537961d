// Where the choices of an execution come from: a depth-first search over all of them, or a number.

#ifndef FSQLSHM_STRESS_STEP_CHOICES_H_
#define FSQLSHM_STRESS_STEP_CHOICES_H_

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "harness/random.h"
#include "harness/scenarios/search.h"

namespace fsqlshm::step {

using harness::Choice;
using harness::Search;
using harness::Shard;

/// The choices of a bounded search, one execution after the other. A state that was met before with as
/// many preemptions left is not explored again: whatever follows it has been seen. (A state is what the
/// threads have read so far, the words, and what the oracles remember, so executions that differ in the
/// order of independent steps meet in one: Musuvathi and Qadeer, "Partial-order reduction for
/// context-bounded state exploration", 2007. Unlike sleep sets it is right under a bound.)
class Choices {
 public:
  Choices(Shard shard, bool reduce) : shard_(shard), reduce_(reduce) {}

  /// For one execution whose choices are known.
  void replay(std::vector<Choice> path);
  /// For the execution with this number.
  void draw(std::uint64_t number);
  /// The first execution of a bounded search.
  void restart();

  void begin();
  /// 0 to limit - 1; 0 is to go on as before. REQUIRES: 1 < limit < 36.
  unsigned choose(unsigned limit);
  /// Only at the end of what was explored before: whether this state need not be explored again.
  bool seen(std::uint64_t state, unsigned preemptions_left);
  /// Moves on to the next execution; false if there is none.
  bool next();

  [[nodiscard]] bool random() const noexcept { return random_; }
  /// Of `random`: whether the running thread goes on although another could; the point of a death.
  [[nodiscard]] bool stays() { return (drawn_.next() >> 32U & leave_mask_) != 0; }
  [[nodiscard]] unsigned below(unsigned limit) {
    return static_cast<unsigned>((drawn_.next() >> 32U) % limit);
  }

  [[nodiscard]] const std::vector<Choice>& path() const noexcept { return path_; }
  /// Whether the execution made all choices of a replay that are not "go on as before".
  [[nodiscard]] bool made_all() const;
  /// A choice of a replay does not exist, or of an execution that was run before: the subject is not
  /// a function of what it reads.
  [[nodiscard]] bool diverged() const noexcept { return diverged_; }
  [[nodiscard]] std::size_t states() const noexcept { return seen_.size(); }

 private:
  // How many choices make the prefix by which a search is split.
  static constexpr std::size_t kShardDepth = 6;
  static constexpr std::size_t kMostStates = std::size_t{1} << 24U;  // 700 MB

  [[nodiscard]] bool ours() const noexcept { return prefix_ % shard_.count == shard_.index - 1; }

  Shard shard_;
  bool reduce_;
  bool random_ = false;
  bool replaying_ = false;
  bool diverged_ = false;
  std::vector<Choice> path_;
  std::size_t depth_ = 0;
  std::uint64_t prefix_ = 0;
  std::unordered_map<std::uint64_t, unsigned> seen_;  // with so many preemptions left
  harness::Random drawn_;
  std::uint64_t leave_mask_ = 1;
};

}  // namespace fsqlshm::step

#endif  // FSQLSHM_STRESS_STEP_CHOICES_H_
