// Every subject does what it is measured for: it returns what was published, and under a publisher
// that never pauses its reads are whole. The racy ones must be caught, which shows that the others
// would be.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "comparators/all.h"
#include "harness/child.h"
#include "publisher.h"

namespace fsqlshm::bench {
namespace {

/// A seqlock whose reader does not load the sequence number again: what the tearing test exists to
/// find.
class NoSecondLook : public Handle<NoSecondLook, FenceSeqlockMemory> {
 public:
  static constexpr SubjectFacts kFacts{
      .name = "no_second_look", .source = "a mutant of fence_seqlock", .racy = true};
  using Handle::Handle;

  [[nodiscard]] bool try_read(Triple& triple) const noexcept {
    if (memory_->seq.load(std::memory_order::acquire) % 2 == 1) return false;
    triple = {memory_->commit_seq.load(std::memory_order::relaxed),
              memory_->schema_epoch.load(std::memory_order::relaxed),
              memory_->ecs_epoch.load(std::memory_order::relaxed)};
    return true;
  }
  void publish(const Triple& triple) noexcept { FenceSeqlock(*memory_).publish(triple); }
};
static_assert(Subject<NoSecondLook>);

template <class S>
class SubjectTest : public testing::Test {};

using Subjects =
    testing::Types<Hardened, Reference, FenceSeqlock, PlainWords<3>, PlainWords<5>, StdMutex,
                   StdSharedMutex, PthreadRwlock, DoubleCopy, LeftRight, NoSecondLook>;

struct Names {
  template <class S>
  static std::string GetName(int) {
    return std::string(S::kFacts.name);
  }
};
TYPED_TEST_SUITE(SubjectTest, Subjects, Names);

TYPED_TEST(SubjectTest, ReturnsWhatWasPublishedLast) {
  harness::Shared<typename TypeParam::Memory> memory;
  TypeParam subject(*memory);
  for (std::uint64_t n : {1ULL, 2ULL, 3ULL, 1ULL << 40, ~0ULL}) {
    subject.publish(triple_of(n));
    EXPECT_EQ(subject.read(), triple_of(n));
    EXPECT_EQ(subject.moved_by(0).read(), triple_of(n));
    EXPECT_EQ(TypeParam(*memory).read(), triple_of(n));
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
Seen read_against_publisher(Where where) {
  harness::Shared<typename S::Memory> memory;
  S subject(*memory);
  subject.publish(triple_of(1));
  const auto publisher = start_publisher<S>(where, kSaturating, *memory);
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

template <class S>
void expect_whole(Where where) {
  const Seen seen = read_against_publisher<S>(where);
  // Fewer would be vacuous. Readers of a lock may starve the writer, so it is not many.
  EXPECT_GT(seen.changes, 20U) << "of " << seen.reads << " reads";
  if (S::kFacts.racy) {
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
  static_assert(S::kFacts.across_processes);
};
using SharedSubjects =
    testing::Types<Hardened, Reference, FenceSeqlock, PlainWords<3>, PlainWords<5>, PthreadRwlock,
                   DoubleCopy, LeftRight, NoSecondLook>;
TYPED_TEST_SUITE(SharedSubjectTest, SharedSubjects, Names);

TYPED_TEST(SharedSubjectTest, IsTornExactlyIfItIsRacyAcrossProcesses) {
  expect_whole<TypeParam>(Where::kProcess);
}

TEST(Seqlocks, RefuseToReadInAnOpenWindow) {
  harness::Shared<Hardened::Memory> memory;
  Hardened subject(*memory);
  subject.layout().begin_snapshot_publish();
  Triple triple;
  EXPECT_FALSE(subject.try_read(triple));
}

TEST(DoubleCopyTest, RefusesCopiesThatDiffer) {
  harness::Shared<DoubleCopy::Memory> memory;
  DoubleCopy subject(*memory);
  subject.publish(triple_of(7));
  Triple triple;
  ASSERT_TRUE(subject.try_read(triple));
  memory->copies[1].ecs_epoch.fetch_add(1);
  EXPECT_FALSE(subject.try_read(triple));
  // Equal again, but the checksum is that of other words.
  memory->copies[0].ecs_epoch.fetch_add(1);
  EXPECT_FALSE(subject.try_read(triple));
}

}  // namespace
}  // namespace fsqlshm::bench
