// A publisher of any subject in the background.

#ifndef FSQLSHM_BENCH_PUBLISHER_H_
#define FSQLSHM_BENCH_PUBLISHER_H_

#include <cstdint>
#include <memory>

#include "background.h"
#include "subject.h"

namespace fsqlshm::bench {

/// A publisher of `S` in the background, none at rate 0. Publishes triple 2, 3 ...
template <class S>
[[nodiscard]] std::unique_ptr<Background> start_publisher(Where where, double per_second,
                                                          typename S::Memory& memory) {
  if (per_second == 0) return nullptr;
  return std::make_unique<Background>(
      where, publisher_cpu(), per_second,
      [subject = S(memory)](std::uint64_t n) mutable { subject.publish(triple_of(n + 1)); });
}

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_PUBLISHER_H_
