// Every subject does what it is measured for: it returns what was published, under a publisher that
// never pauses its reads are whole, and it gets over a publisher's death if it says so. The racy ones
// must be caught, which shows that the others would be.

#include "subjects.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <iterator>

#include "subjects/header.h"

namespace fsqlshm::bench {
namespace {

struct alignas(64) BrokenMemory {
  std::atomic<std::uint64_t> seq{0};
  std::array<std::atomic<std::uint64_t>, 3> words{};
};

/// A seqlock whose reader does not load the sequence number again: what the tearing test exists to
/// find.
class NoSecondLook : public Handle<NoSecondLook, BrokenMemory> {
 public:
  static constexpr SubjectFacts kFacts{.name = "no_second_look",
                                       .source = "a mutant of the textbook seqlock",
                                       .call = "none",
                                       .racy = true};
  using Handle::Handle;

  [[nodiscard]] bool try_read(Triple& triple) const noexcept {
    if (memory_->seq.load(std::memory_order::acquire) % 2 == 1) return false;
    triple = {memory_->words[0].load(), memory_->words[1].load(), memory_->words[2].load()};
    return true;
  }
  void publish(const Triple& triple) noexcept {
    memory_->seq.fetch_add(1);
    memory_->words[0].store(triple.commit_seq);
    memory_->words[1].store(triple.schema_epoch);
    memory_->words[2].store(triple.ecs_epoch);
    memory_->seq.fetch_add(1);
  }
};

/// A publisher whose death leaves a triple that no one publishes again.
class ForgetsItsDead : public Handle<ForgetsItsDead, BrokenMemory> {
 public:
  static constexpr SubjectFacts kFacts{
      .name = "forgets_its_dead", .source = "a mutant", .call = "none"};
  using Handle::Handle;

  [[nodiscard]] Triple read() const noexcept { return triple_of(memory_->words[0].load()); }
  void publish(const Triple& triple) noexcept { memory_->words[0].store(triple.commit_seq); }
  void die_within_publish() noexcept { die(); }
  void recover(const Triple&) noexcept {}
};

[[maybe_unused]] const bool kAdded = add_subject<NoSecondLook>();

std::vector<AnySubject> those(bool (*chosen)(const AnySubject&)) {
  std::vector<AnySubject> found;
  std::ranges::copy_if(all_subjects(), std::back_inserter(found), chosen);
  return found;
}
bool is_for_processes(const AnySubject& subject) { return subject.facts->across_processes; }
bool says_that_it_recovers(const AnySubject& subject) { return subject.recovers != nullptr; }
std::string name_of(const testing::TestParamInfo<AnySubject>& one) {
  return std::string(one.param.facts->name);
}

class EverySubject : public testing::TestWithParam<AnySubject> {
 protected:
  static void expect_whole(Where where) {
    const SubjectFacts& facts = *GetParam().facts;
    const Seen seen = GetParam().read_against_publisher(where);
    // Fewer would be vacuous. Readers of a lock may starve the writer, so it is not many.
    EXPECT_GT(seen.changes, 20U) << "of " << seen.reads << " reads";
    if (facts.racy) {
      EXPECT_GT(seen.torn, 0U) << "of " << seen.reads
                               << " reads: the test would not see a torn one";
    } else {
      EXPECT_EQ(seen.torn, 0U) << "of " << seen.reads << " reads";
      EXPECT_EQ(seen.backwards, 0U);
    }
  }
};
class SharedSubject : public EverySubject {};
class RecoverableSubject : public EverySubject {};
INSTANTIATE_TEST_SUITE_P(All, EverySubject, testing::ValuesIn(all_subjects()), name_of);
INSTANTIATE_TEST_SUITE_P(All, SharedSubject, testing::ValuesIn(those(is_for_processes)), name_of);
INSTANTIATE_TEST_SUITE_P(All, RecoverableSubject, testing::ValuesIn(those(says_that_it_recovers)),
                         name_of);

TEST_P(EverySubject, ReturnsWhatWasPublishedLast) {
  EXPECT_EQ(GetParam().returns_what_was_published(), std::nullopt);
}

TEST_P(EverySubject, IsTornExactlyIfItIsRacyInThreads) { expect_whole(Where::kThread); }

TEST_P(SharedSubject, IsTornExactlyIfItIsRacyAcrossProcesses) { expect_whole(Where::kProcess); }

TEST_P(RecoverableSubject, GetsOverADeadPublisher) {
  EXPECT_EQ(GetParam().recovers(), std::nullopt);
}

TEST(Subjects, AreCalledDifferently) {
  std::vector<std::string_view> names;
  for (const AnySubject& subject : all_subjects()) names.push_back(subject.facts->name);
  std::ranges::sort(names);
  EXPECT_TRUE(std::ranges::adjacent_find(names) == names.end());
}

TEST(Subjects, ThatDoNotRecoverAreFound) {
  EXPECT_EQ(recovers<ForgetsItsDead>(), "not what was published by the recovery");
}

TEST(Seqlocks, RefuseToReadInAnOpenWindow) {
  harness::Shared<Hardened::Memory> memory;
  Hardened subject(*memory);
  subject.layout().begin_snapshot_publish();
  Triple triple;
  EXPECT_FALSE(subject.try_read(triple));
}

}  // namespace
}  // namespace fsqlshm::bench
