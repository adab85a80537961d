// Every subject does what it is measured for: it returns what was published, and under a publisher
// that never pauses its reads are whole. The racy ones must be caught: that is how we know that the
// others would be.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "comparators/all.h"
#include "mapping.h"
#include "publisher.h"

namespace fsqlshm::bench {
namespace {

/// A seqlock whose reader does not look a second time: what the tearing test exists to find.
class NoSecondLook : public FenceSeqlock {
 public:
  static constexpr std::string_view kName = "no_second_look";
  static constexpr bool kRacy = true;

  explicit NoSecondLook(Shared& shared) noexcept : FenceSeqlock(shared), shared_(&shared) {}
  [[nodiscard]] NoSecondLook moved_by(std::size_t bytes) const noexcept {
    return NoSecondLook(moved(*shared_, bytes));
  }
  [[nodiscard]] Triple read() const noexcept {
    Triple triple;
    while (!try_read(triple)) cpu_pause();
    return triple;
  }
  [[nodiscard]] bool try_read(Triple& triple) const noexcept {
    if (shared_->seq.load(std::memory_order::acquire) % 2 == 1) return false;
    triple = {shared_->commit_seq.load(std::memory_order::relaxed),
              shared_->schema_epoch.load(std::memory_order::relaxed),
              shared_->ecs_epoch.load(std::memory_order::relaxed)};
    return true;
  }

 private:
  Shared* shared_;
};
static_assert(Subject<NoSecondLook>);

template <class S>
class SubjectTest : public testing::Test {};

using Subjects = testing::Types<Hardened, Reference, FenceSeqlock, PlainWords<3>, PlainWords<5>,
                                Locked<std::mutex>, Locked<std::shared_mutex>,
                                Locked<ProcessSharedMutex>, DoubleCopy, LeftRight, NoSecondLook>;

struct Names {
  template <class S>
  static std::string GetName(int) {
    return std::string(S::kName);
  }
};
TYPED_TEST_SUITE(SubjectTest, Subjects, Names);

TYPED_TEST(SubjectTest, ReturnsWhatWasPublishedLast) {
  Mapped<typename TypeParam::Shared> shared;
  TypeParam subject(*shared);
  for (std::uint64_t n : {1ULL, 2ULL, 3ULL, 1ULL << 40, ~0ULL}) {
    subject.publish(triple_of(n));
    EXPECT_EQ(subject.read(), triple_of(n));
    EXPECT_EQ(subject.moved_by(0).read(), triple_of(n));
    EXPECT_EQ(TypeParam(*shared).read(), triple_of(n));
    Triple triple;
    EXPECT_TRUE(subject.try_read(triple));
    EXPECT_EQ(triple, triple_of(n));
  }
}

struct Seen {
  std::uint64_t reads = 0;
  std::uint64_t torn = 0;
  std::uint64_t backwards = 0;
  std::uint64_t changes = 0;
};

// Reads against a saturating publisher until the triple has changed often enough and, for a racy
// subject, until a read was torn; at most 20 s.
template <class S>
Seen read_beside_publisher(Where where) {
  Mapped<typename S::Shared> shared;
  S subject(*shared);
  subject.publish(triple_of(1));
  const auto publisher = start_publisher<S>(where, kSaturating, *shared);
  const PinScope pin(reader_cpu(0));
  Seen seen;
  std::uint64_t last = 0;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (std::chrono::steady_clock::now() < deadline) {
    if (seen.changes >= 20'000 && (!S::kRacy || seen.torn > 0)) break;
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

template <class S>
void expect_whole(Where where) {
  const Seen seen = read_beside_publisher<S>(where);
  // Fewer would be vacuous. Readers of a lock may starve the writer, so it is not many.
  EXPECT_GT(seen.changes, 20U) << "of " << seen.reads << " reads";
  if (S::kRacy) {
    EXPECT_GT(seen.torn, 0U) << "of " << seen.reads << " reads: the test would not see a torn one";
  } else {
    EXPECT_EQ(seen.torn, 0U) << "of " << seen.reads << " reads";
    EXPECT_EQ(seen.backwards, 0U);
  }
}

TYPED_TEST(SubjectTest, IsTornExactlyIfItIsRacyInThreads) {
  expect_whole<TypeParam>(Where::kThread);
}

template <class S>
class SharedSubjectTest : public testing::Test {
  static_assert(S::kAcrossProcesses);
};
using SharedSubjects =
    testing::Types<Hardened, Reference, FenceSeqlock, PlainWords<3>, PlainWords<5>,
                   Locked<ProcessSharedMutex>, DoubleCopy, LeftRight, NoSecondLook>;
TYPED_TEST_SUITE(SharedSubjectTest, SharedSubjects, Names);

TYPED_TEST(SharedSubjectTest, IsTornExactlyIfItIsRacyAcrossProcesses) {
  expect_whole<TypeParam>(Where::kProcess);
}

TEST(Seqlocks, RefuseToReadInAnOpenWindow) {
  Mapped<Hardened::Shared> shared;
  Hardened subject(*shared);
  subject.layout().begin_snapshot_publish();
  Triple triple;
  EXPECT_FALSE(subject.try_read(triple));
}

TEST(DoubleCopyTest, RefusesCopiesThatDiffer) {
  Mapped<DoubleCopy::Shared> shared;
  DoubleCopy subject(*shared);
  subject.publish(triple_of(7));
  Triple triple;
  ASSERT_TRUE(subject.try_read(triple));
  shared->copies[1].ecs_epoch.fetch_add(1);
  EXPECT_FALSE(subject.try_read(triple));
  // Equal again, but the checksum is that of other words.
  shared->copies[0].ecs_epoch.fetch_add(1);
  EXPECT_FALSE(subject.try_read(triple));
}

}  // namespace
}  // namespace fsqlshm::bench
