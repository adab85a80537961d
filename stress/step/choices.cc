#include "stress/step/choices.h"

#include <algorithm>
#include <utility>

namespace fsqlshm::step {

void Choices::replay(std::vector<Choice> path) {
  path_ = std::move(path);
  replaying_ = true;
  random_ = false;
}

void Choices::draw(std::uint64_t number) {
  random_ = true;
  drawn_ = harness::Random(number * harness::kGoldenGamma);
  leave_mask_ = (2U << drawn_.below(4)) - 1;
}

void Choices::restart() {
  random_ = replaying_ = false;
  path_.clear();
  prefix_ = 0;
}

void Choices::begin() {
  depth_ = 0;
  diverged_ = false;
}

unsigned Choices::choose(unsigned limit) {
  if (random_) return below(limit);
  if (depth_ == path_.size()) {
    path_.push_back({.limit = static_cast<std::uint8_t>(limit), .index = 0});
  }
  Choice& choice = path_[depth_++];
  if (replaying_ && choice.index < limit) choice.limit = static_cast<std::uint8_t>(limit);
  if (choice.limit != limit) {
    diverged_ = true;
    return 0;
  }
  return choice.index;
}

bool Choices::seen(std::uint64_t state, unsigned preemptions_left) {
  if (!reduce_ || random_ || replaying_ || depth_ < path_.size()) return false;
  // Shards of one search must agree on the prefixes, and know only what they explore themselves.
  if (shard_.count > 1 && (path_.size() <= kShardDepth || !ours())) return false;
  if (seen_.size() >= kMostStates) {
    const auto known = seen_.find(state);
    return known != seen_.end() && known->second > preemptions_left;
  }
  // One more than what is left, so that 0 is "never".
  unsigned& best = seen_[state];
  if (best > preemptions_left) return true;
  best = preemptions_left + 1;
  return false;
}

bool Choices::made_all() const {
  return std::all_of(path_.begin() + static_cast<std::ptrdiff_t>(depth_), path_.end(),
                     [](const Choice& choice) { return choice.index == 0; });
}

bool Choices::next() {
  path_.resize(depth_);  // what a longer execution chose before
  // Of a prefix that is another shard's, only the one execution that showed it is run here.
  if (!ours() && path_.size() > kShardDepth) path_.resize(kShardDepth);
  while (!path_.empty() && path_.back().index + 1 == path_.back().limit) path_.pop_back();
  if (path_.empty()) return false;
  ++path_.back().index;
  if (path_.size() <= kShardDepth) ++prefix_;
  return true;
}

}  // namespace fsqlshm::step
