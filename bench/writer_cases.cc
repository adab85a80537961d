// The serialized writer: acquire and release, and what a concurrent writer's check costs.

#include "cases.h"
#include "fsqlshm/process.h"
#include "harness/child.h"
#include "subjects/header.h"

namespace fsqlshm::bench {
namespace {

constexpr std::uint64_t kNow = 1'000'000;  // seconds since the epoch; any number will do

const auto kAlive = [](std::uint32_t, std::uint64_t) { return true; };

// An indicator of its own for each case; `next_id` never repeats, as the protocol requires.
template <class S>
struct Writer {
  harness::Shared<typename S::Memory> memory;
  S subject{*memory};
  ProcessIdentity self = this_process();
  std::uint64_t last_id = 0;

  [[gnu::always_inline]] Writer() {}  // see the constructor of Header

  bool acquire(std::uint64_t lease_expiry) {
    return subject.layout().acquire_serialized_writer(TxnId::from_raw(++last_id).value(), self.pid,
                                                      self.birth, lease_expiry);
  }
  bool release() {
    return subject.layout().release_serialized_writer(TxnId::from_raw(last_id).value());
  }
  template <class Alive>
  Exclusion check(const Alive& alive) {
    return subject.layout().check_serialized_writer_exclusion(kNow, alive);
  }
};

void require(bool good) {
  if (!good) throw WrongResult("the indicator is not in the state it was put in");
}

template <class S>
void acquire_release(benchmark::State& state) {
  Writer<S> writer;
  bool good = true;
  for (auto _ : state) {
    good &= writer.acquire(kNow + kLeaseSeconds);
    good &= writer.release();
  }
  require(good);
}

/// One check of an indicator that `prepare` has set and the check does not change.
template <class S, class Prepare, class Alive>
void check(benchmark::State& state, Prepare prepare, const Alive& alive, Exclusion expected) {
  Writer<S> writer;
  bool good = prepare(writer);
  for (auto _ : state) good &= writer.check(alive) == expected;
  require(good);
}

/// A writer whose lease has expired, and the check that evicts it: a check alone cannot be
/// repeated, so the acquire is part of the time.
template <class S>
void acquire_evict(benchmark::State& state) {
  Writer<S> writer;
  bool good = true;
  for (auto _ : state) {
    good &= writer.acquire(kNow);
    good &= writer.check(kAlive) == Exclusion::kOk;
  }
  require(good);
}

template <class S>
void add(Cases& cases) {
  const auto push = [&](const char* name, auto body) {
    add_case_of<S>(cases, {{"group", "writer"}, {"operation", name}}, Clock::kCpu, body);
  };
  push("acquire_release", acquire_release<S>);
  push("check_free", [](benchmark::State& state) {
    check<S>(state, [](Writer<S>&) { return true; }, kAlive, Exclusion::kOk);
  });
  push("check_live_lease", [](benchmark::State& state) {
    check<S>(
        state, [](Writer<S>& writer) { return writer.acquire(kNow + kLeaseSeconds); }, kAlive,
        Exclusion::kBusy);
  });
  // No lease: the kernel is asked whether the process lives.
  push("check_live_process", [](benchmark::State& state) {
    check<S>(
        state, [](Writer<S>& writer) { return writer.acquire(0); }, process_alive,
        Exclusion::kBusy);
  });
  push("acquire_evict_stale", acquire_evict<S>);
}

}  // namespace

void add_writer_cases(Cases& cases) {
  add<Hardened>(cases);
  add<Reference>(cases);
}

}  // namespace fsqlshm::bench
