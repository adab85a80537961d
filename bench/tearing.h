// Whether a subject does what it is measured for: for the tests, and compiled where the subject is,
// because its library's headers are included there alone.

#ifndef FSQLSHM_BENCH_TEARING_H_
#define FSQLSHM_BENCH_TEARING_H_

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "harness/child.h"
#include "publisher.h"

namespace fsqlshm::bench {

struct Seen {
  std::uint64_t reads = 0;
  std::uint64_t torn = 0;
  std::uint64_t backwards = 0;
  std::uint64_t changes = 0;
};

/// What went wrong, if anything did.
template <class S>
std::optional<std::string> returns_what_was_published() {
  harness::Shared<typename S::Memory> memory;
  S subject(*memory);
  S other(*memory);
  for (const std::uint64_t n : {1ULL, 2ULL, 3ULL, 1ULL << 40, ~0ULL}) {
    subject.publish(triple_of(n));
    if (subject.read() != triple_of(n)) return "a read of its own publish";
    if (other.read() != triple_of(n)) return "a read by another handle";
    Triple triple;
    if (!subject.try_read(triple) || triple != triple_of(n)) return "one attempt to read";
    if constexpr (Movable<S>) {
      subject.move_by(0);
      if (subject.read() != triple_of(n)) return "a read by a handle that was moved";
    }
  }
  return std::nullopt;
}

/// Reads against a saturating publisher until the triple has changed often enough and, for a racy
/// subject, until a read was torn; at most 20 s.
template <class S>
Seen read_against_publisher(Where where) {
  harness::Shared<typename S::Memory> memory;
  const auto publisher = start_publisher<S>(where, kSaturating, *memory);
  const S subject(*memory);
  pin_to(reader_cpu(0));
  Seen seen;
  std::uint64_t last = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    if (seen.changes >= 20'000 && (!S::kFacts.racy || seen.torn > 0)) break;
    for (int i = 0; i < 1000; ++i) {
      const Triple triple = subject.read();
      ++seen.reads;
      if (torn(triple)) {
        ++seen.torn;
        continue;
      }
      seen.backwards += triple.commit_seq < last ? 1 : 0;
      seen.changes += triple.commit_seq != last ? 1 : 0;
      last = triple.commit_seq;
    }
  }
  publisher->stop();
  return seen;
}

/// A publisher that died in the middle is got over, and the triple after that is whole; what went
/// wrong, if anything did.
template <Recoverable S>
std::optional<std::string> recovers() {
  harness::Shared<typename S::Memory> memory;
  DyingPublisher<S> publisher(*memory);
  S survivor(*memory);
  survivor.publish(triple_of(1));
  if (!publisher.let_die()) return "the publisher did not die as it should";
  survivor.recover(triple_of(2));
  if (survivor.read() != triple_of(2)) return "not what was published by the recovery";
  survivor.publish(triple_of(3));
  if (survivor.read() != triple_of(3)) return "not what was published after the recovery";
  return std::nullopt;
}

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_TEARING_H_
