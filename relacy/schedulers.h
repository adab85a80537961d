// How the next thread is chosen: depth-first search over all choices, and random search. For
// checker.cc alone.

#ifndef FSQLSHM_RELACY_SCHEDULERS_H_
#define FSQLSHM_RELACY_SCHEDULERS_H_

#include "checker.h"
#include "harness/random.h"
#include "relacy_headers.h"

namespace fsqlshm::relacy {

// What the tree search and Checker::run tell each other.
struct TreeState {
  const Budget* budget = nullptr;
  std::uint64_t done = 0;
  bool complete = false;
  bool bad_choice = false;   // a replayed choice does not exist
  std::uint64_t prefix = 0;  // how many prefixes came before this one
  rl::vector<Choice>::type path;
};
inline TreeState g_tree;

// How many choices make the prefix by which a tree search is split over machines.
inline constexpr std::size_t kShardDepth = 6;

// Depth-first search over the scheduler's choices: Relacy's context-bound search, made to stop and
// go on, to be split, and to refuse a replay whose choices do not exist.
template <int kThreads>
class TreeScheduler
    : public rl::tree_search_scheduler<
          TreeScheduler<kThreads>, rl::context_bound_scheduler_thread_info<kThreads>, kThreads> {
  using Base =
      rl::tree_search_scheduler<TreeScheduler<kThreads>,
                                rl::context_bound_scheduler_thread_info<kThreads>, kThreads>;

 public:
  using typename Base::shared_context_t;
  using typename Base::thread_info_t;

  TreeScheduler(rl::test_params& params, shared_context_t& context, int dynamic_threads)
      : Base(params, context, dynamic_threads) {
    for (const Choice& choice : g_tree.path) {
      this->stree_.push_back({choice.limit, choice.index, rl::sched_type_sched, 0});
    }
  }

  rl::thread_id_t iteration_begin_impl() {
    const Budget& budget = *g_tree.budget;
    switches_left_ = budget.search == Search::kFull ? ~0U : budget.bound;
    this->stree_depth_ = 0;
    const unsigned index =
        rand_impl(static_cast<unsigned>(this->running_threads_count), rl::sched_type_sched);
    return this->running_threads[index];
  }

  unsigned rand_impl(unsigned limit, rl::sched_type type) {
    if (this->stree_depth_ < this->stree_.size()) {
      auto& node = this->stree_[this->stree_depth_++];
      node.count_ = limit;
      if (node.index_ >= limit) {
        g_tree.bad_choice = true;
        node.index_ = 0;
      }
      return node.index_;
    }
    return Base::rand_impl(limit, type);
  }

  bool can_switch(thread_info_t& /*thread*/) { return switches_left_ != 0; }
  void on_switch(thread_info_t& thread) {
    if (thread.state_ == rl::thread_state_running) --switches_left_;
  }
  double iteration_count_approx() { return 1.0; }

  bool iteration_end_impl() {
    ++g_tree.done;
    if (this->stree_depth_ < this->stree_.size()) {  // a replay that is longer than the execution
      g_tree.bad_choice = true;
      this->stree_.resize(this->stree_depth_);
    }
    // Of a prefix that is another machine's, only the one execution that showed it is run here.
    const Budget& budget = *g_tree.budget;
    if (g_tree.prefix % budget.shard.count != budget.shard.index - 1 &&
        this->stree_.size() > kShardDepth) {
      this->stree_.resize(kShardDepth);
    }
    g_tree.complete = Base::iteration_end_impl();
    if (!g_tree.complete && this->stree_.size() <= kShardDepth) ++g_tree.prefix;
    if (!g_tree.complete && g_tree.done < budget.iterations) return false;
    save();
    return true;
  }

  void get_state_impl(std::ostream& /*stream*/) {  // after a violation
    ++g_tree.done;
    this->stree_.resize(std::min(this->stree_.size(), this->stree_depth_));
    save();
  }
  void set_state_impl(std::istream& /*stream*/) {}

 private:
  void save() {
    g_tree.path.clear();
    for (const auto& node : this->stree_) {
      g_tree.path.push_back(
          {static_cast<std::uint8_t>(node.count_), static_cast<std::uint8_t>(node.index_)});
    }
  }

  unsigned switches_left_ = 0;
};

// The n-th execution is a function of n alone. Relacy's own random search draws the next thread
// anew at every step, so a thread hardly ever gets far undisturbed; here each execution has a
// stickiness of its own: at every step a thread goes on with probability 1/2, 3/4, 7/8 or 15/16
// before one is drawn.
template <int kThreads>
class RandomScheduler
    : public rl::scheduler<RandomScheduler<kThreads>, rl::scheduler_thread_info, kThreads> {
  using Base = rl::scheduler<RandomScheduler<kThreads>, rl::scheduler_thread_info, kThreads>;

 public:
  using typename Base::shared_context_t;
  struct task_t {};  // NOLINT(readability-identifier-naming): Relacy's name

  RandomScheduler(rl::test_params& params, shared_context_t& context, int dynamic_threads)
      : Base(params, context, dynamic_threads) {}

  rl::thread_id_t iteration_begin_impl() {
    random_ = harness::Random(this->iter_ * harness::kGoldenGamma);
    leave_mask_ = (2U << draw() % 4) - 1;
    return any();
  }

  bool iteration_end_impl() { return this->iter_ == this->params_.iteration_count; }

  rl::thread_id_t schedule_impl(rl::unpark_reason& reason, unsigned yield) {
    reason = rl::unpark_reason_normal;
    if (this->thread_->state_ != rl::thread_state_running) return any();
    const rl::thread_id_t current = this->thread_->index_;
    if (yield == 0) return (draw() & leave_mask_) != 0 ? current : any();
    const rl::thread_id_t next = any();  // a thread that waits goes on less often
    return next == current ? any() : next;
  }

  unsigned rand_impl(unsigned limit, rl::sched_type /*type*/) { return draw() % limit; }
  rl::iteration_t iteration_count_impl() { return this->params_.iteration_count; }
  void get_state_impl(std::ostream& /*stream*/) {}
  void set_state_impl(std::istream& /*stream*/) {}
  void on_thread_block(rl::thread_id_t /*thread*/, bool /*yield*/) {}
  void purge_blocked_threads() {}
  void thread_finished_impl() {}

 private:
  unsigned draw() { return static_cast<unsigned>(random_.next() >> 32); }

  rl::thread_id_t any() {
    return this->running_threads[draw() % static_cast<unsigned>(this->running_threads_count)];
  }

  harness::Random random_;
  unsigned leave_mask_ = 1;
};

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SCHEDULERS_H_
