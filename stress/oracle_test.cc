// The logs by which results are judged: each accepts what is right and refuses what is wrong.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "stress/control_block.h"
#include "stress/id_log.h"
#include "stress/register_log.h"
#include "stress/role.h"
#include "stress/writer_log.h"

namespace fsqlshm::stress {
namespace {

// --- KillLog -----------------------------------------------------------------------------------

TEST(KillLog, WhoWasKilledStaysSoWhenItsSuccessorIs) {
  const auto log = std::make_unique<KillLog>();
  std::atomic<std::uint64_t> last = 1;
  log->about_to_kill(0, 1, 1);
  std::thread parent([&] {
    for (std::uint64_t n = 2; n <= 300'000; ++n) {
      log->about_to_kill(0, n, n);
      last = n;
    }
  });
  std::uint64_t lives = 0;
  for (std::uint64_t n = 0; n < 300'000;) {
    n = last;
    lives += log->killed(0, n, n) ? 0 : 1;
  }
  parent.join();
  EXPECT_EQ(lives, 0U);
}

// --- RegisterLog -------------------------------------------------------------------------------

TEST(RegisterLog, AReadDuringAWriteMayReturnEither) {
  for (const std::uint64_t value : {4U, 5U}) {
    RegisterLog log;
    log.begin_write(4);
    log.end_write(4);
    const std::uint64_t low = log.begin_read();
    log.begin_write(5);
    EXPECT_EQ(log.end_read(low, value), ReadVerdict::kGood);
  }
}

TEST(RegisterLog, RefusesAnOverwrittenValue) {
  RegisterLog log;
  log.begin_write(4);
  log.end_write(4);
  log.begin_write(5);
  log.end_write(5);
  const std::uint64_t low = log.begin_read();
  EXPECT_EQ(log.end_read(low, 4), ReadVerdict::kTooOld);
}

TEST(RegisterLog, RefusesAValueOfAWriteThatHasNotBegun) {
  RegisterLog log;
  log.begin_write(4);
  const std::uint64_t low = log.begin_read();
  EXPECT_EQ(log.end_read(low, 5), ReadVerdict::kFromTheFuture);
}

TEST(RegisterLog, RefusesNewOldInversion) {
  RegisterLog log;
  log.begin_write(4);
  log.end_write(4);
  log.begin_write(5);  // and it never ends: its writer died
  std::uint64_t low = log.begin_read();
  ASSERT_EQ(log.end_read(low, 5), ReadVerdict::kGood);
  low = log.begin_read();
  EXPECT_EQ(log.end_read(low, 4), ReadVerdict::kTooOld);
}

TEST(RegisterLog, OverlappingReadsMayDiffer) {
  RegisterLog log;
  log.begin_write(4);
  log.end_write(4);
  log.begin_write(5);
  const std::uint64_t a = log.begin_read();
  const std::uint64_t b = log.begin_read();
  EXPECT_EQ(log.end_read(a, 5), ReadVerdict::kGood);
  EXPECT_EQ(log.end_read(b, 4), ReadVerdict::kGood);
}

TEST(Triple, AMixOfTwoPublishesShows) {
  EXPECT_TRUE(whole(triple_of(0)));
  for (std::uint64_t n = 1; n < 1000; ++n) {
    const ShmSnapshot good = triple_of(n);
    EXPECT_TRUE(whole(good));
    ShmSnapshot bad = good;
    bad.commit_seq = CommitSeq(n + 1);
    EXPECT_FALSE(whole(bad));
    bad = good;
    bad.schema_epoch = triple_of(n - 1).schema_epoch;
    EXPECT_FALSE(whole(bad));
    bad = good;
    bad.ecs_epoch = triple_of(n + 1).ecs_epoch;
    EXPECT_FALSE(whole(bad));
  }
}

// --- IdLog -------------------------------------------------------------------------------------

struct Ids {
  std::unique_ptr<IdLog> log = std::make_unique<IdLog>();
  IdAuditor auditor{*log};
};

TEST(IdLog, AcceptsEveryIdOnce) {
  Ids ids;
  for (std::uint64_t id = 1; id < 3 * IdLog::kWindow; ++id) {
    ASSERT_TRUE(ids.log->mark(id));
    ids.auditor.advance(id + 1);
  }
  const auto summary = ids.auditor.finish(3 * IdLog::kWindow);
  EXPECT_TRUE(summary.lost.empty());
  EXPECT_TRUE(summary.duplicates.empty());
}

TEST(IdLog, AWordThatCannotComeByCountingEndsAtOnce) {
  Ids ids;
  for (std::uint64_t id = 1; id < 100; ++id) ASSERT_TRUE(ids.log->mark(id));
  const std::uint64_t made_up = std::uint64_t{1} << 60;
  ids.auditor.advance(made_up);
  const auto summary = ids.auditor.finish(made_up);
  EXPECT_TRUE(summary.jumped);
  EXPECT_THAT(summary.lost, testing::IsEmpty());
}

TEST(IdLog, SeesAnIdThatIsAheadHoweverFar) {
  const Ids ids;
  EXPECT_FALSE(ids.log->ahead(IdLog::kWindow - 1));
  EXPECT_TRUE(ids.log->ahead(IdLog::kWindow));
  // Its block's number is 0, as far as a word remembers it.
  EXPECT_TRUE(ids.log->ahead((IdLog::kIdsPerBlock << 32) + 1));
}

TEST(IdLog, RefusesASecondTime) {
  Ids ids;
  EXPECT_TRUE(ids.log->mark(77));
  EXPECT_TRUE(ids.log->mark(78));
  EXPECT_FALSE(ids.log->mark(77));
}

TEST(IdLog, FindsWhatIsLostAndWhatComesLate) {
  Ids ids;
  for (std::uint64_t id = 1; id < 2 * IdLog::kWindow; ++id) {
    const bool skipped = id == 5 || id == 6 || id == 2 * IdLog::kWindow - 3;
    ASSERT_TRUE(skipped || ids.log->mark(id));
    ids.auditor.advance(id + 1);
  }
  EXPECT_TRUE(ids.log->mark(6));    // late, and the first time
  EXPECT_TRUE(ids.log->mark(100));  // late, and the second time: found at the end
  const auto summary = ids.auditor.finish(2 * IdLog::kWindow);
  EXPECT_EQ(summary.lost, (std::vector<std::uint64_t>{5, 2 * IdLog::kWindow - 3}));
  EXPECT_EQ(summary.duplicates, std::vector<std::uint64_t>{100});
}

TEST(IdLog, MarksFromManyThreadsAreAllThere) {
  Ids ids;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (std::uint64_t id = 1 + t; id <= 40'000; id += 4) EXPECT_TRUE(ids.log->mark(id));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(ids.auditor.finish(40'001).lost.empty());
}

// --- WriterLog ---------------------------------------------------------------------------------

struct Writers {
  LeaseClock clock{.start_ns = 0, .tick_ns = 10};
  KillLog kills{};
  std::unique_ptr<WriterLog> log = std::make_unique<WriterLog>(clock, kills);
  std::uint64_t other = 0;

  WriterLog::Entry enter(std::uint64_t token, std::uint64_t now) {
    return log->enter(token, now, [&] { return now; }, other);
  }
};

TEST(WriterLog, OneAfterTheOther) {
  Writers w;
  const std::uint64_t a = w.log->announce({5, 0, 0, 1});
  EXPECT_EQ(w.enter(a, 5), WriterLog::Entry::kEntered);
  EXPECT_EQ(w.log->holder(), a);
  EXPECT_TRUE(w.log->leave(a));
  const std::uint64_t b = w.log->announce({5, 0, 1, 1});
  EXPECT_EQ(w.enter(b, 6), WriterLog::Entry::kEntered);
}

TEST(WriterLog, RefusesASecondOwnerWhileTheFirstLives) {
  Writers w;
  const std::uint64_t a = w.log->announce({5, 0, 0, 1});
  ASSERT_EQ(w.enter(a, 5), WriterLog::Entry::kEntered);
  const std::uint64_t b = w.log->announce({5, 0, 1, 1});
  EXPECT_EQ(w.enter(b, 6), WriterLog::Entry::kViolation);
  EXPECT_EQ(w.other, a);
}

TEST(WriterLog, ADeadOwnerMayBeSucceededFromItsKillOn) {
  Writers w;
  const std::uint64_t a = w.log->announce({5, 0, 3, 7});
  ASSERT_EQ(w.enter(a, 5), WriterLog::Entry::kEntered);
  w.kills.about_to_kill(3, 7, 100);
  const std::uint64_t b = w.log->announce({5, 0, 1, 1});
  EXPECT_EQ(w.enter(b, 99), WriterLog::Entry::kViolation);  // it got it before the kill
  EXPECT_EQ(w.enter(b, 100), WriterLog::Entry::kEntered);
  EXPECT_FALSE(w.log->leave(a));
}

TEST(WriterLog, TheNextIncarnationIsAnotherProcess) {
  Writers w;
  w.kills.about_to_kill(3, 6, 50);
  EXPECT_TRUE(w.kills.killed(3, 5, 0));
  EXPECT_TRUE(w.kills.killed(3, 6, 50));
  EXPECT_FALSE(w.kills.killed(3, 6, 49));
  EXPECT_FALSE(w.kills.killed(3, 7, 1000));
}

TEST(WriterLog, ALeaseEndsAtItsTimeOrWithItsProcess) {
  Writers w;
  const std::uint64_t a = w.log->announce({5, LeaseClock::kEpoch + 10, 0, 1});
  ASSERT_EQ(w.enter(a, 5), WriterLog::Entry::kEntered);
  EXPECT_FALSE(w.log->over(a, 99));
  EXPECT_TRUE(w.log->over(a, 100)) << "it lives, but its lease is over";
  w.kills.about_to_kill(0, 1, 60);
  EXPECT_FALSE(w.log->over(a, 59));
  EXPECT_TRUE(w.log->over(a, 60)) << "its lease runs, but it is dead";
}

TEST(WriterLog, ALeaseDecidesAloneInThePublishedProtocol) {
  Writers w;
  w.log->leases_outlive_processes(true);
  const std::uint64_t a = w.log->announce({5, LeaseClock::kEpoch + 10, 0, 1});
  ASSERT_EQ(w.enter(a, 5), WriterLog::Entry::kEntered);
  w.kills.about_to_kill(0, 1, 6);  // dead, and still protected
  w.kills.note_reaped(0, 1);
  EXPECT_FALSE(w.log->over(a, 99));
  EXPECT_TRUE(w.log->over(a, 100));
  EXPECT_EQ(w.log->id_of_the_dead(a), 0U);
  const std::uint64_t b = w.log->announce({6, 0, 1, 1});
  EXPECT_EQ(w.enter(b, 99), WriterLog::Entry::kViolation);
  EXPECT_EQ(w.enter(b, 100), WriterLog::Entry::kEntered);
}

TEST(WriterLog, KnowsTheIdOfAnOwnerThatIsGone) {
  Writers w;
  const std::uint64_t a = w.log->announce({5, LeaseClock::kEpoch + 10, 3, 7});
  ASSERT_EQ(w.enter(a, 5), WriterLog::Entry::kEntered);
  EXPECT_EQ(w.log->id_of_the_dead(0), 0U) << "nobody";
  w.kills.about_to_kill(3, 7, 6);
  EXPECT_EQ(w.log->id_of_the_dead(a), 0U) << "the signal may still be on its way";
  w.kills.note_reaped(3, 7);
  EXPECT_EQ(w.log->id_of_the_dead(a), 5U);
  EXPECT_EQ(w.log->id_of_the_dead(w.log->announce({6, 0, 3, 8})), 0U) << "its successor lives";
}

TEST(WriterLog, WhoseChildIsInsideOfForkIsNotGone) {
  Writers w;
  w.kills.fork_begins(3, 7);
  w.kills.fork_begins(3, 7);
  w.kills.about_to_kill(3, 7, 6);
  w.kills.note_reaped(3, 7);
  w.kills.fork_ends(3, 7);
  EXPECT_FALSE(w.kills.reaped(3, 7)) << "one child of two";
  w.kills.fork_begins(3, 8);
  EXPECT_FALSE(w.kills.reaped(3, 7)) << "whatever its successor does";
  w.kills.fork_ends(3, 7);
  EXPECT_TRUE(w.kills.reaped(3, 7));
  EXPECT_TRUE(w.kills.reaped(3, 6));
}

TEST(WriterLog, WhoLapsedBeforeItCameFindsItsSuccessor) {
  Writers w;
  const std::uint64_t a = w.log->announce({5, LeaseClock::kEpoch + 10, 0, 1});
  const std::uint64_t b = w.log->announce({5, 0, 1, 1});
  ASSERT_EQ(w.enter(b, 200), WriterLog::Entry::kEntered);
  // It acquired at 50, was evicted at 100, and gets here at 300.
  EXPECT_EQ(
      w.log->enter(a, 50, [] { return std::uint64_t{300}; }, w.other), WriterLog::Entry::kLapsed);
  EXPECT_EQ(w.log->holder(), b);
}

TEST(WriterLog, ATokenThatIsLongGoneIsOver) {
  Writers w;
  const std::uint64_t a = w.log->announce({5, 0, 0, 1});
  EXPECT_FALSE(w.log->over(a, 0));
  for (int i = 0; i < (1 << 14); ++i) static_cast<void>(w.log->announce({5, 0, 0, 1}));
  EXPECT_TRUE(w.log->over(a, 0));
}

// --- The rest ------------------------------------------------------------------------------------

TEST(EventRing, KeepsTheLast) {
  EventRing ring;
  for (std::uint64_t i = 0; i < 100; ++i) ring.record("read", i, i);
  std::vector<std::uint64_t> seen;
  ring.visit([&](const EventRing::Entry& entry) { seen.push_back(entry.a); });
  ASSERT_EQ(seen.size(), EventRing::kSize);
  EXPECT_EQ(seen.front(), 100 - EventRing::kSize);
  EXPECT_EQ(seen.back(), 99U);
}

TEST(Roles, AreCompleteAndConsistent) {
  const WorkerConfig config;
  std::set<std::string> names;
  for (const Role& role : config.roles) {
    EXPECT_TRUE(names.insert(role.name).second) << role.name;
    EXPECT_FALSE(role.does.empty()) << role.name;
    EXPECT_NE(std::get<0>(role.lives), nullptr) << role.name;
    EXPECT_FALSE(role.wants.empty()) << role.name << ": a run in which it did nothing would pass";
    ASSERT_LE(role.counts.size(), kMaxCounts) << role.name;
    for (const Want& want : role.wants) {
      EXPECT_EQ(std::ranges::count(role.counts, want.count), 1) << role.name << want.count;
      EXPECT_TRUE(want.with.empty() || config.role(want.with).name == want.with) << role.name;
    }
  }
  EXPECT_EQ(names, (std::set<std::string>{"allocator", "checker", "forker", "gc", "inspector",
                                          "opener", "publisher", "reader", "writer"}));
}

TEST(Roles, AreThoseOfTheHeaderOnASubject) {
  WorkerConfig config;
  config.only_of_the_header();
  for (const Role& role : config.roles) {
    const bool needs_a_file = role.name == "forker" || role.name == "opener";
    EXPECT_EQ(role.takes_subjects(), !needs_a_file) << role.name;
    EXPECT_EQ(role.threads == 0, needs_a_file) << role.name;
  }
}

TEST(Roles, CountsAreSummedOverThreadsAndWorkers) {
  WorkerConfig config;
  config.only({{"allocator", 2}, {"writer", 1}});
  const auto control = std::make_unique<ControlBlock>();
  const auto ids =
      static_cast<std::size_t>(std::ranges::find(config.role("writer").counts, "txn_ids") -
                               config.role("writer").counts.begin());
  control->threads[0][0].count(0, 1);      // an allocator
  control->threads[3][1].count(0, 10);     // the other one, in another worker
  control->threads[1][2].count(ids, 100);  // the writer
  EXPECT_EQ(config.total(*control, "txn_ids"), 111U);
  EXPECT_EQ(config.total(*control, "snapshot_reads"), 0U);
}

}  // namespace
}  // namespace fsqlshm::stress
