// Interleavings written by hand and by the mutator: every defect of the published protocol is
// found and named, deterministically, and nothing is found in the hardened one.

#include "fuzz/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <initializer_list>
#include <vector>

#include "fuzz/facts.h"
#include "fuzz/simulation.h"
#include "fuzz/stats.h"

namespace fsqlshm::fuzz {
namespace {

constexpr int kToTheEnd = 1000;

struct Turn {
  std::size_t thread;
  int steps;
};
constexpr std::size_t kKill = 100;  // as a thread: the process of thread `steps` dies
constexpr std::size_t kTime = 101;  // as a thread: time passes

std::vector<std::uint8_t> input(std::uint8_t processes,
                                std::initializer_list<std::initializer_list<Op>> threads,
                                std::initializer_list<Turn> turns) {
  std::vector<std::uint8_t> bytes(kScheduleShape.head_size, 0);
  bytes[0] = static_cast<std::uint8_t>((threads.size() + 1) % 3);  // 2 + byte % 3 threads
  bytes[1] = processes;
  std::size_t thread = 0;
  for (const auto& ops : threads) {
    std::size_t at = 8 + kOpsPerThread * thread++;
    for (const Op op : ops) bytes[at++] = encode_op(op);
  }
  for (const Turn& turn : turns) {
    if (turn.thread == kTime) {
      bytes.push_back(kTimePassesByte);
    } else if (turn.thread == kKill) {
      bytes.push_back(encode_kill(static_cast<std::size_t>(turn.steps)));
    } else {
      bytes.push_back(encode_run(turn.thread, turn.steps));
    }
  }
  return bytes;
}

constexpr std::uint8_t kOneProcess = 0;
constexpr std::uint8_t kOwnProcesses = 0b11100100;
constexpr WorldOptions kReference = {.free_is_always_clean = false};
constexpr WorldOptions kHardened = {};

template <class Protocol>
std::string property(const std::vector<std::uint8_t>& bytes, WorldOptions options) {
  const auto failure = simulate<Protocol>(bytes, options);
  return failure ? title(*failure) : "";
}

// A step for the call itself, then the atomic ones. Reference: acquire 1 + 5, release 1 + 3 loads,
// CAS of the id, three clears.
TEST(Schedule, NamesD2) {
  const auto bytes =
      input(kOwnProcesses, {{Op::kAcquire}, {Op::kCheckExclusion}}, {{0, 2}, {kKill, 0}});
  EXPECT_TRUE(property<ReferenceProtocol>(bytes, kReference).starts_with("D2: P4"));
  EXPECT_EQ(property<HardenedProtocol>(bytes, kHardened), "");
}

TEST(Schedule, NamesD3) {
  // The clear of the pid fails (the generation moved on), that of the birth hits the successor.
  const auto bytes = input(kOneProcess, {{Op::kAcquireLeased, Op::kRelease}, {Op::kAcquireLeased}},
                           {{0, 11}, {1, 6}, {0, kToTheEnd}});
  EXPECT_TRUE(property<ReferenceProtocol>(bytes, kReference).starts_with("D3: P2"));
  EXPECT_EQ(property<HardenedProtocol>(bytes, kHardened), "");
}

TEST(Schedule, NamesD4) {
  const auto bytes =
      input(kOneProcess, {{Op::kAcquire, Op::kRelease}, {Op::kAcquire, Op::kRelease, Op::kAcquire}},
            {{0, 11}, {1, 20}, {0, kToTheEnd}});
  EXPECT_TRUE(property<ReferenceProtocol>(bytes, kReference).starts_with("D4: P2"));
  EXPECT_EQ(property<HardenedProtocol>(bytes, kHardened), "");
}

TEST(Schedule, NamesD5) {
  // Time passes before the release is done, so the claimer is judged by a lease that is out.
  const auto bytes =
      input(kOwnProcesses,
            {{Op::kAcquireLeased, Op::kRelease}, {Op::kAcquireLeased}, {Op::kCheckExclusion}},
            {{0, 11}, {kTime, 0}, {1, 3}, {2, kToTheEnd}, {1, kToTheEnd}});
  EXPECT_TRUE(property<ReferenceProtocol>(bytes, kReference).starts_with("D5: P2"));
  EXPECT_EQ(property<HardenedProtocol>(bytes, kHardened), "");
}

TEST(Schedule, NamesD1) {
  // Two publishers without the lock: the second one's end makes the number even under the first.
  const auto bytes = input(kOwnProcesses, {{Op::kPublish}, {Op::kPublish}, {Op::kReadSnapshot}},
                           {{0, 3}, {1, kToTheEnd}, {0, 1}, {2, kToTheEnd}});
  WorldOptions options = kReference;
  options.publication_lock = false;
  EXPECT_TRUE(property<ReferenceProtocol>(bytes, options).starts_with("D1: S2"));
  EXPECT_EQ(property<ReferenceProtocol>(bytes, kReference), "");  // with the lock it holds
  EXPECT_EQ(property<HardenedProtocol>(bytes, kHardened), "");
}

TEST(Schedule, OnlyIgnoresTheOthers) {
  const auto d2 =
      input(kOwnProcesses, {{Op::kAcquire}, {Op::kCheckExclusion}}, {{0, 2}, {kKill, 0}});
  WorldOptions options = kReference;
  options.only = "D3";
  EXPECT_EQ(property<ReferenceProtocol>(d2, options), "");
  options.only = "D2";
  EXPECT_NE(property<ReferenceProtocol>(d2, options), "");
}

// Mutated schedules, some thousand of them.
template <class Visit>
void many_schedules(int count, Visit visit) {
  std::vector<std::uint8_t> buffer(kScheduleShape.head_size + kScheduleShape.max_records);
  std::size_t size = 0;
  const auto keep = [](std::uint8_t*, std::size_t n, std::size_t) { return n; };
  for (int seed = 0; seed < count; ++seed) {
    size = mutate_records(kScheduleShape, buffer, size, static_cast<std::uint32_t>(seed), keep);
    visit(std::vector<std::uint8_t>(buffer.begin(),
                                    buffer.begin() + static_cast<std::ptrdiff_t>(size)));
  }
}

TEST(Schedule, TheSameInputIsTheSameInterleaving) {
  many_schedules(300, [](const std::vector<std::uint8_t>& bytes) {
    std::string first;
    std::string second;
    static_cast<void>(simulate<HardenedProtocol>(bytes, kHardened, &first));
    static_cast<void>(simulate<HardenedProtocol>(bytes, kHardened, &second));
    ASSERT_EQ(first, second);
    ASSERT_FALSE(first.empty());
  });
}

TEST(Schedule, FindsNothingInHardenedAndGetsEverywhere) {
  many_schedules(20000, [](const std::vector<std::uint8_t>& bytes) {
    const auto failure = simulate<HardenedProtocol>(bytes, kHardened);
    ASSERT_FALSE(failure) << failure->property << "\n" << failure->detail;
  });
  for (const char* name :
       {"acquired", "released", "refused", "busy", "owner_had_lost_it", "cleared_a_stale_writer",
        "deaths_in_an_operation", "preemptions_in_an_operation", "torn_reads_refused",
        "waited_for_the_publication_lock"}) {
    EXPECT_GT(counter_value(name), 10U) << name;
  }
}

// --- known-bad protocols: each property is broken once -------------------------------------------

template <class Protocol>
std::vector<std::string> attack(int count = 30000) {
  std::vector<std::string> found;
  many_schedules(count, [&](const std::vector<std::uint8_t>& bytes) {
    if (found.size() < 50) {
      const auto failure = simulate<Protocol>(bytes, kHardened);
      if (failure) found.push_back(title(*failure));
    }
  });
  return found;
}

// Whether the attack found something that begins like this.
template <class Protocol>
bool finds(std::string_view start) {
  const auto found = attack<Protocol>();
  return std::ranges::any_of(found, [&](const std::string& p) { return p.starts_with(start); });
}

struct GoodSeqlock {
  template <Words W>
  using Seqlock = hardened::Seqlock<W>;
};
template <Words W>
struct Indicator : hardened::WriterIndicator<W> {
  explicit Indicator(W& words) : hardened::WriterIndicator<W>(words), seam(words) {}
  W& seam;
};

// Takes the indicator from whoever has it.
struct Steals : GoodSeqlock {
  template <Words W>
  struct WriterIndicator : Indicator<W> {
    using Indicator<W>::Indicator;
    bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
      this->seam.store(Field::kSerializedWriterTxnId, 0, std::memory_order::relaxed);
      return hardened::WriterIndicator<W>::acquire(id, pid, birth, lease);
    }
  };
};
TEST(KnownBad, AThiefBreaksIntegrityOrQuiescence) {
  EXPECT_TRUE(finds<Steals>("P3 quiescence") || finds<Steals>("D5: P2 integrity"));
}

// Does not ask.
struct AlwaysOk : GoodSeqlock {
  template <Words W>
  struct WriterIndicator : Indicator<W> {
    using Indicator<W>::Indicator;
    template <class Alive>
    Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
      static_cast<void>(hardened::WriterIndicator<W>::check_exclusion(now, alive));
      return Exclusion::kOk;
    }
  };
};
TEST(KnownBad, ACheckThatAlwaysSaysOkBreaksExclusion) {
  EXPECT_TRUE(finds<AlwaysOk>("P1 exclusion"));
}

// Says it has it when it has not.
struct Liar : GoodSeqlock {
  template <Words W>
  struct WriterIndicator : Indicator<W> {
    using Indicator<W>::Indicator;
    bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
      static_cast<void>(hardened::WriterIndicator<W>::acquire(id, pid, birth, lease));
      return true;
    }
  };
};
TEST(KnownBad, TwoOwnersBreakExclusion) { EXPECT_TRUE(finds<Liar>("P1 exclusion")); }

// Never takes over.
struct NeverClears : GoodSeqlock {
  template <Words W>
  struct WriterIndicator : Indicator<W> {
    using Indicator<W>::Indicator;
    template <class Alive>
    Exclusion check_exclusion(std::uint64_t, Alive&&) {
      return this->seam.load(Field::kSerializedWriterTxnId, std::memory_order::acquire) == 0
                 ? Exclusion::kOk
                 : Exclusion::kBusy;
    }
  };
};
TEST(KnownBad, ACheckThatNeverClearsBreaksCrashRecovery) {
  EXPECT_TRUE(finds<NeverClears>("P4 crash"));
}

// Zeroes the words before it asks whether it still owns them.
struct ClearsFirst : GoodSeqlock {
  template <Words W>
  struct WriterIndicator : Indicator<W> {
    using Indicator<W>::Indicator;
    bool release(TxnId id) {
      this->seam.store(Field::kSerializedWriterLeaseExpiry, 0, std::memory_order::relaxed);
      return hardened::WriterIndicator<W>::release(id);
    }
  };
};
TEST(KnownBad, AReleaseThatWritesAfterAnEvictionIsSeen) {
  EXPECT_TRUE(finds<ClearsFirst>("P5 eviction: the release of an owner that lost"));
}

struct ReleaseSaysTrue : GoodSeqlock {
  template <Words W>
  struct WriterIndicator : Indicator<W> {
    using Indicator<W>::Indicator;
    bool release(TxnId id) {
      static_cast<void>(hardened::WriterIndicator<W>::release(id));
      return true;
    }
  };
};
TEST(KnownBad, AReleaseThatSaysTrueAfterAnEvictionIsSeen) {
  EXPECT_TRUE(finds<ReleaseSaysTrue>("P5 eviction: release answers true"));
}

// Waits for the owner instead of giving up.
struct AcquireWaits : GoodSeqlock {
  template <Words W>
  struct WriterIndicator : Indicator<W> {
    using Indicator<W>::Indicator;
    bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
      while (this->check()) this->seam.pause();
      return hardened::WriterIndicator<W>::acquire(id, pid, birth, lease);
    }
  };
};
TEST(KnownBad, AnAcquireThatWaitsBreaksProgress) {
  EXPECT_TRUE(finds<AcquireWaits>("P6 progress"));
}

struct GoodIndicator {
  template <Words W>
  using WriterIndicator = hardened::WriterIndicator<W>;
};

// Opens no window.
struct NoWindow : GoodIndicator {
  template <Words W>
  struct Seqlock : hardened::Seqlock<W> {
    explicit Seqlock(W& words) : hardened::Seqlock<W>(words), seam(words) {}
    void publish(const ShmSnapshot& snapshot) {
      seam.store(Field::kSchemaEpoch, snapshot.schema_epoch.get(), std::memory_order::release);
      seam.store(Field::kEcsEpoch, snapshot.ecs_epoch, std::memory_order::release);
      seam.store(Field::kCommitSeq, snapshot.commit_seq.get(), std::memory_order::release);
    }
    W& seam;
  };
};
TEST(KnownBad, APublishWithoutAWindowIsTorn) { EXPECT_TRUE(finds<NoWindow>("S2 snapshot")); }

// Forgets to close it.
struct LeavesItOdd : GoodIndicator {
  template <Words W>
  struct Seqlock : hardened::Seqlock<W> {
    explicit Seqlock(W& words) : hardened::Seqlock<W>(words), seam(words) {}
    void publish(const ShmSnapshot& snapshot) {
      hardened::Seqlock<W>::publish(snapshot);
      seam.fetch_add(Field::kSnapshotSeq, 1, std::memory_order::release);
    }
    W& seam;
  };
};
TEST(KnownBad, ANumberLeftOddIsSeen) { EXPECT_TRUE(finds<LeavesItOdd>("S1 snapshot")); }

// Keeps what it read first.
struct StaleReads : GoodIndicator {
  template <Words W>
  struct Seqlock : hardened::Seqlock<W> {
    using hardened::Seqlock<W>::Seqlock;
    std::optional<ShmSnapshot> try_load_once() const {
      static_cast<void>(hardened::Seqlock<W>::try_load_once());
      return ShmSnapshot{CommitSeq(0), SchemaEpoch(0), 0};
    }
  };
};
TEST(KnownBad, AReadOfTheFirstTripleForEverIsSeen) {
  EXPECT_TRUE(finds<StaleReads>("S3 snapshot"));
}

}  // namespace
}  // namespace fsqlshm::fuzz
