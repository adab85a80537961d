// What the original's tests leave open: the ends of every range, bytes that are no header, and the
// two protocols against each other.

#include "edge_test.h"

namespace fsqlshm {
namespace {

// --- Values -----------------------------------------------------------------------------------

TEST(TxnIdDomain, NothingOutsideCanBeMade) {
  EXPECT_FALSE(TxnId::from_raw(0));
  EXPECT_TRUE(TxnId::from_raw(1));
  EXPECT_TRUE(TxnId::from_raw(TxnId::kMaxRaw));
  EXPECT_FALSE(TxnId::from_raw(TxnId::kMaxRaw + 1));
  EXPECT_FALSE(TxnId::from_raw(kMax64));
  EXPECT_EQ(TxnId::from_raw(0).error(), ShmErrorCode::kTxnIdOutOfDomain);
  static_assert(!std::is_default_constructible_v<TxnId>);
  static_assert(!std::is_constructible_v<TxnId, std::uint64_t>);
  static_assert(!std::is_convertible_v<std::uint64_t, TxnId>);
}

TEST(PageSizeDomain, OnlyPowersOfTwoFrom512To65536) {
  int good = 0;
  for (std::uint32_t raw = 0; raw <= 70'000; ++raw) good += PageSize::from_raw(raw) ? 1 : 0;
  EXPECT_EQ(good, 8);
  for (const std::uint32_t raw : {0U, 256U, 131072U, 0x80000000U, 0xffffffffU}) {
    EXPECT_EQ(PageSize::from_raw(raw).error(), ShmErrorCode::kInvalidPageSize);
  }
  static_assert(!std::is_convertible_v<std::uint32_t, PageSize>);
}

// --- next_txn_id ------------------------------------------------------------------------------

TYPED_TEST(Edge, alloc_steps_over_zero) {
  auto layout = this->layout_with(Field::kNextTxnId, 0);
  EXPECT_FALSE(layout.alloc_txn_id());
  EXPECT_EQ(this->peek(layout, Field::kNextTxnId), 1U);
  EXPECT_EQ(layout.alloc_txn_id(), txn(1));
}

TYPED_TEST(Edge, alloc_hands_out_the_last_id_once) {
  auto layout = this->layout_with(Field::kNextTxnId, TxnId::kMaxRaw);
  EXPECT_EQ(layout.alloc_txn_id(), txn(TxnId::kMaxRaw));
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(layout.alloc_txn_id());
    EXPECT_EQ(this->peek(layout, Field::kNextTxnId), TxnId::kMaxRaw + 1);
  }
}

TYPED_TEST(Edge, alloc_never_wraps) {
  auto layout = this->layout_with(Field::kNextTxnId, kMax64);
  EXPECT_FALSE(layout.alloc_txn_id());
  EXPECT_EQ(this->peek(layout, Field::kNextTxnId), kMax64);
}

// --- Geometry ---------------------------------------------------------------------------------

TYPED_TEST(Edge, the_largest_slot_count_does_not_overflow) {
  const typename TestFixture::Layout layout(PageSize(), 0xffffffffU);
  const std::uint64_t slots = 0xffffffffU;
  EXPECT_EQ(layout.witness_offset(), 216 + 64 * slots);
  EXPECT_EQ(layout.txn_slot_offset(), 216 + (64 + 128) * slots);
  EXPECT_EQ(layout.committed_readers_offset(), 216 + (64 + 128 + 128) * slots);
  EXPECT_EQ(layout.committed_readers_bytes(), std::uint64_t{1} << 29);
  EXPECT_TRUE(TestFixture::Layout::open(layout.to_bytes()));
}

TYPED_TEST(Edge, open_takes_any_slot_count_and_offsets_under_a_valid_checksum) {
  HeaderBytes bytes = fresh();
  put(bytes, offsets::kMaxTxnSlots, std::uint32_t{0});
  put(bytes, offsets::kWitnessOffset, kMax64);
  seal(bytes);
  const auto layout = TestFixture::Layout::open(bytes);
  ASSERT_TRUE(layout) << layout.error().message();
  EXPECT_EQ(layout->max_txn_slots(), 0U);
  EXPECT_EQ(layout->witness_offset(), kMax64);
}

TEST(Checksum, IsThePublicHashOfTheSixtyBytes) {
  EXPECT_TRUE(rc::check("compute_checksum is XXH3_64bits", [] {
    Geometry geometry;
    geometry.page_size = PageSize::from_raw(std::uint32_t{1} << *rc::gen::inRange(9, 17)).value();
    geometry.max_txn_slots = *rc::gen::arbitrary<std::uint32_t>();
    std::uint64_t* const regions[] = {&geometry.lock_table_offset, &geometry.witness_offset,
                                      &geometry.txn_slot_offset, &geometry.committed_readers_offset,
                                      &geometry.committed_readers_bytes};
    for (std::uint64_t* region : regions) *region = *rc::gen::arbitrary<std::uint64_t>();

    std::vector<std::byte> bytes;
    const auto append = [&](const auto& value) {
      const auto raw = std::as_bytes(std::span(&value, 1));
      bytes.insert(bytes.end(), raw.begin(), raw.end());
    };
    append(kMagic);
    append(kLayoutVersion);
    append(geometry.page_size.get());
    append(geometry.max_txn_slots);
    for (const std::uint64_t* region : regions) append(*region);
    RC_ASSERT(bytes.size() == 60U);
    RC_ASSERT(geometry.compute_checksum() == XXH3_64bits(bytes.data(), bytes.size()));
  }));
}

// --- Seqlock ----------------------------------------------------------------------------------

TYPED_TEST(Edge, the_sequence_number_wraps) {
  auto layout = this->layout_with(Field::kSnapshotSeq, kMax64 - 1);
  layout.begin_snapshot_publish();
  EXPECT_EQ(this->peek(layout, Field::kSnapshotSeq), kMax64);
  layout.begin_snapshot_publish();
  EXPECT_EQ(this->peek(layout, Field::kSnapshotSeq), kMax64);
  EXPECT_FALSE(layout.try_load_consistent_snapshot(3));
  layout.end_snapshot_publish();
  EXPECT_EQ(this->peek(layout, Field::kSnapshotSeq), 0U);
  EXPECT_TRUE(layout.try_load_consistent_snapshot(1));
}

TYPED_TEST(Edge, a_dead_publisher_does_not_hang_a_bounded_reader) {
  typename TestFixture::Layout layout;
  layout.publish_snapshot(CommitSeq(1), SchemaEpoch(2), 3);
  layout.begin_snapshot_publish();
  for (const std::uint64_t attempts : {0ULL, 1ULL, 2ULL, 1000ULL}) {
    EXPECT_FALSE(layout.try_load_consistent_snapshot(attempts));
  }
  layout.reconcile(CommitSeq(4), SchemaEpoch(5), 6);
  const ShmSnapshot expected{CommitSeq(4), SchemaEpoch(5), 6};
  EXPECT_EQ(layout.try_load_consistent_snapshot(0), expected);
}

// Runs something right before a field is read: what others may do in the middle of an operation.
class InterferingWords : public RawWords {
 public:
  using RawWords::RawWords;
  Field field = Field::kSchemaEpoch;
  std::function<void()> interfere;

  std::uint64_t load(Field which, std::memory_order order,
                     std::source_location where = std::source_location::current()) const {
    if (which == field && interfere) interfere();
    return RawWords::load(which, order, where);
  }
};

TYPED_TEST(Edge, a_torn_read_is_refused) {
  HeaderBlock block{};
  const Geometry geometry = Geometry::derive(PageSize(), 64);
  BasicSharedMemoryLayout<InterferingWords, TypeParam> reader(geometry, block.data());
  BasicSharedMemoryLayout<RawWords, TypeParam> publisher(geometry, block.data());
  publisher.publish_snapshot(CommitSeq(1), SchemaEpoch(2), 3);
  int times = 0;
  reader.words().interfere = [&] {
    if (times++ == 0) publisher.publish_snapshot(CommitSeq(10), SchemaEpoch(20), 30);
  };
  EXPECT_FALSE(reader.try_load_consistent_snapshot(1));
  const ShmSnapshot expected{CommitSeq(10), SchemaEpoch(20), 30};
  EXPECT_EQ(reader.try_load_consistent_snapshot(1), expected);
}

// --- Serialized writer ------------------------------------------------------------------------

TYPED_TEST(Edge, a_lease_decides_alone_and_ends_at_its_expiry) {
  const std::uint64_t expiry = 1000;
  for (const bool alive : {false, true}) {
    const auto life = [alive](std::uint32_t, std::uint64_t) { return alive; };
    typename TestFixture::Layout layout;
    ASSERT_TRUE(layout.acquire_serialized_writer(txn(1), 7, kKnownBirth | 1, expiry));
    EXPECT_EQ(layout.check_serialized_writer_exclusion(expiry - 1, life), Exclusion::kBusy);
    EXPECT_EQ(layout.check_serialized_writer(), txn(1));
    EXPECT_EQ(layout.check_serialized_writer_exclusion(expiry, life), Exclusion::kOk);
    EXPECT_FALSE(layout.check_serialized_writer());
  }
}

TYPED_TEST(Edge, without_a_lease_only_a_known_death_counts) {
  struct Case {
    std::uint32_t pid;
    std::uint64_t birth;
    bool alive;
    Exclusion expected;
  };
  for (const Case& c : {Case{7, 9, true, Exclusion::kBusy}, Case{7, 9, false, Exclusion::kOk},
                        Case{0, 9, false, Exclusion::kBusy}, Case{7, 0, false, Exclusion::kBusy},
                        Case{0, 0, false, Exclusion::kBusy}}) {
    typename TestFixture::Layout layout;
    ASSERT_TRUE(layout.acquire_serialized_writer(txn(1), c.pid, c.birth, 0));
    const auto life = [&](std::uint32_t pid, std::uint64_t birth) {
      EXPECT_EQ(pid, c.pid);
      EXPECT_EQ(birth, c.birth);
      return c.alive;
    };
    EXPECT_EQ(layout.check_serialized_writer_exclusion(kMax64, life), c.expected)
        << c.pid << ' ' << c.birth << ' ' << c.alive;
  }
}

TYPED_TEST(Edge, an_evicted_owner_touches_nothing_of_its_successor) {
  typename TestFixture::Layout layout;
  ASSERT_TRUE(layout.acquire_serialized_writer(txn(1), 7, kKnownBirth | 1, 100));
  ASSERT_EQ(layout.check_serialized_writer_exclusion(100, everybody_lives), Exclusion::kOk);
  ASSERT_TRUE(layout.acquire_serialized_writer(txn(2), 7, kKnownBirth | 1, 200));
  const HeaderBytes before = layout.to_bytes();
  EXPECT_FALSE(layout.release_serialized_writer(txn(1)));
  EXPECT_EQ(layout.to_bytes(), before);
}

// Lets go from inside a check: after the check found the owner, before it read the owner's words.
TYPED_TEST(Edge, a_check_judges_no_words_of_an_owner_that_let_go) {
  HeaderBlock block{};
  const Geometry geometry = Geometry::derive(PageSize(), 64);
  BasicSharedMemoryLayout<InterferingWords, TypeParam> checker(geometry, block.data());
  BasicSharedMemoryLayout<RawWords, TypeParam> owner(geometry, block.data());
  ASSERT_TRUE(owner.acquire_serialized_writer(txn(1), 7, kKnownBirth | 9, 100));
  checker.words().field = Field::kSerializedWriterPidAndGen;
  checker.words().interfere = [&] { owner.release_serialized_writer(txn(1)); };
  const Exclusion answer = checker.check_serialized_writer_exclusion(100, everybody_lives);
  // The published protocol takes the zeroes for an owner that nobody can judge.
  constexpr bool kHardened = std::is_same_v<TypeParam, HardenedProtocol>;
  EXPECT_EQ(answer, kHardened ? Exclusion::kOk : Exclusion::kBusy);
}

TYPED_TEST(Edge, a_generation_wraps) {
  auto layout = this->layout_with(Field::kSerializedWriterPidAndGen, kMax64);
  ASSERT_TRUE(layout.acquire_serialized_writer(txn(1), 7, 0, 0));
  EXPECT_EQ(this->peek(layout, Field::kSerializedWriterPidAndGen), 7U);
}

TYPED_TEST(Edge, a_word_that_is_no_id_is_no_writer_but_excludes) {
  // 11 in the top bits: no id and, in the hardened protocol, no state either.
  auto layout = this->layout_with(Field::kSerializedWriterTxnId, kMax64);
  EXPECT_FALSE(layout.check_serialized_writer());
  EXPECT_FALSE(layout.acquire_serialized_writer(txn(1), 7, 9, 0));
  EXPECT_EQ(layout.check_serialized_writer_exclusion(0, nobody_lives), Exclusion::kBusy);
  layout.words().store(Field::kSerializedWriterLeaseExpiry, 5, kRelaxed);
  EXPECT_EQ(layout.check_serialized_writer_exclusion(5, nobody_lives), Exclusion::kOk);
  EXPECT_TRUE(layout.acquire_serialized_writer(txn(1), 7, 9, 0));
}

// --- The hardened states ----------------------------------------------------------------------

using hardened::state_word;
using hardened::WriterTag;

TEST(HardenedState, CarriesTheExactIdentity) {
  const ProcessIdentity largest{.pid = (1U << 22) - 1,
                                .birth = kKnownBirth | ((std::uint64_t{1} << 40) - 1)};
  for (const WriterTag tag : {WriterTag::kClaiming, WriterTag::kCleaning}) {
    for (const ProcessIdentity& who :
         {largest, ProcessIdentity{.pid = 1, .birth = kKnownBirth}, this_process()}) {
      const std::uint64_t state = state_word(tag, who);
      EXPECT_EQ(hardened::writer_tag(state), tag);
      EXPECT_EQ(hardened::process_of(state), who);
      EXPECT_FALSE(TxnId::in_domain(state));
    }
  }
}

TEST(HardenedState, WhatDoesNotFitIsUnknown) {
  for (const ProcessIdentity& who :
       {ProcessIdentity{.pid = 1U << 22, .birth = kKnownBirth | 1},
        ProcessIdentity{.pid = (1U << 22) | 5, .birth = kKnownBirth | 1},
        ProcessIdentity{.pid = 1, .birth = kKnownBirth | (std::uint64_t{1} << 40)},
        ProcessIdentity{.pid = 1, .birth = 12345}, ProcessIdentity{}}) {
    EXPECT_EQ(hardened::process_of(state_word(WriterTag::kClaiming, who)), ProcessIdentity());
  }
}

SharedMemoryLayout with_state(WriterTag tag, ProcessIdentity who) {
  HeaderBytes bytes = with_word(Field::kSerializedWriterTxnId, state_word(tag, who));
  put(bytes, offsets::kSerializedWriterPidAndGen, std::uint64_t{77});
  put(bytes, offsets::kSerializedWriterPidBirth, std::uint64_t{88});
  put(bytes, offsets::kSerializedWriterLeaseExpiry, std::uint64_t{1});  // long expired
  return SharedMemoryLayout::open(bytes).value();
}

TEST(HardenedState, OfALiveProcessIsLeftAlone) {
  const ProcessIdentity who{.pid = 7, .birth = kKnownBirth | 9};
  SharedMemoryLayout claiming = with_state(WriterTag::kClaiming, who);
  SharedMemoryLayout cleaning = with_state(WriterTag::kCleaning, who);
  const HeaderBytes claiming_before = claiming.to_bytes();
  const HeaderBytes cleaning_before = cleaning.to_bytes();
  EXPECT_EQ(claiming.check_serialized_writer_exclusion(1000, everybody_lives), Exclusion::kBusy);
  EXPECT_EQ(cleaning.check_serialized_writer_exclusion(1000, everybody_lives), Exclusion::kOk);
  for (SharedMemoryLayout* layout : {&claiming, &cleaning}) {
    EXPECT_FALSE(layout->check_serialized_writer());
    EXPECT_FALSE(layout->acquire_serialized_writer(txn(1), 7, kKnownBirth | 9, 0));
    EXPECT_FALSE(layout->release_serialized_writer(txn(1)));
  }
  EXPECT_EQ(claiming.to_bytes(), claiming_before);
  EXPECT_EQ(cleaning.to_bytes(), cleaning_before);
}

TEST(HardenedState, OfADeadProcessIsCleaned) {
  const ProcessIdentity who{.pid = 7, .birth = kKnownBirth | 9};
  for (const WriterTag tag : {WriterTag::kClaiming, WriterTag::kCleaning}) {
    SharedMemoryLayout layout = with_state(tag, who);
    const auto dead = [&](std::uint32_t pid, std::uint64_t birth) {
      EXPECT_EQ(pid, who.pid);
      EXPECT_EQ(birth, who.birth);
      return false;
    };
    EXPECT_EQ(layout.check_serialized_writer_exclusion(0, dead), Exclusion::kOk);
    EXPECT_EQ(layout.to_bytes(), fresh());
  }
}

TEST(HardenedState, OfAnUnknownProcessIsNeverTakenForDead) {
  SharedMemoryLayout layout = with_state(WriterTag::kClaiming, {});
  EXPECT_EQ(layout.check_serialized_writer_exclusion(kMax64, nobody_lives), Exclusion::kBusy);
}

}  // namespace
}  // namespace fsqlshm
