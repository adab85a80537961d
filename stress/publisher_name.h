// Who holds the publication lock, as the holders themselves say: two at a time are one too many.

#ifndef FSQLSHM_STRESS_PUBLISHER_NAME_H_
#define FSQLSHM_STRESS_PUBLISHER_NAME_H_

#include <unistd.h>

#include <cstdint>

#include "stress/control_block.h"

namespace fsqlshm::stress {

inline constexpr Check kTwoPublishers = {"publication lock",
                                         "two live publishers hold the publication lock",
                                         {"other worker", "its incarnation"}};

/// The holder's name next to the lock, for as long as it holds that. `Thread` is a RoleThread.
template <class Thread>
class PublisherName {
 public:
  explicit PublisherName(Thread& me)
      : me_(me), mine_((me.name().worker + 1) << kIncarnationBits | me.name().incarnation) {
    // A holder that was killed leaves its name.
    const std::uint64_t other = me_.control.publisher.exchange(mine_);
    if (other != 0 &&
        !me_.control.kills.killed(worker_of(other), incarnation_of(other), now_ns())) {
      report(other);
    }
  }
  PublisherName(const PublisherName&) = delete;
  PublisherName& operator=(const PublisherName&) = delete;
  ~PublisherName() {
    std::uint64_t expected = mine_;
    if (!me_.control.publisher.compare_exchange_strong(expected, 0)) report(expected);
  }

 private:
  // worker + 1 in 16 bits, incarnation in 48.
  static constexpr std::uint64_t kIncarnationBits = 48;
  static std::uint64_t worker_of(std::uint64_t name) { return (name >> kIncarnationBits) - 1; }
  static std::uint64_t incarnation_of(std::uint64_t name) {
    return name & ((std::uint64_t{1} << kIncarnationBits) - 1);
  }
  void report(std::uint64_t other) {
    me_.violation(kTwoPublishers, {worker_of(other), incarnation_of(other)});
  }

  Thread& me_;
  std::uint64_t mine_;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_PUBLISHER_NAME_H_
