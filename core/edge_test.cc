// What the original's tests leave open: the ends of every range, bytes that are no header, and the
// two protocols against each other.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <limits>
#include <set>
#include <vector>

#include "fsqlshm/shared_memory_layout.h"

namespace fsqlshm {
namespace {

using testing::HasSubstr;

const int kManyCases = ::setenv("RC_PARAMS", "max_success=5000", /*overwrite=*/0);

constexpr auto kRelaxed = std::memory_order::relaxed;
constexpr std::uint64_t kMax64 = std::numeric_limits<std::uint64_t>::max();

TxnId txn(std::uint64_t raw) { return TxnId::from_raw(raw).value(); }
bool nobody_lives(std::uint32_t, std::uint64_t) { return false; }
bool everybody_lives(std::uint32_t, std::uint64_t) { return true; }

template <class T>
void put(HeaderBytes& bytes, std::size_t offset, T value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
}

// Makes the stored checksum that of the stored fields, whatever these are.
void seal(HeaderBytes& bytes) {
  put(bytes, offsets::kLayoutChecksum, std::uint64_t{0});
  const auto refused = SharedMemoryLayout::open(bytes);
  if (!refused && refused.error() == ShmErrorCode::kChecksumMismatch) {
    put(bytes, offsets::kLayoutChecksum, refused.error().expected());
  }
}

HeaderBytes fresh() { return SharedMemoryLayout(PageSize(), 64).to_bytes(); }

HeaderBytes with_word(Field field, std::uint64_t value) {
  HeaderBytes bytes = fresh();
  put(bytes, offset_of(field), value);
  return bytes;
}

template <class Protocol>
class Edge : public testing::Test {
 public:
  using Layout = OwnedSharedMemoryLayout<Protocol>;
  static Layout layout_with(Field field, std::uint64_t value) {
    return Layout::open(with_word(field, value)).value();
  }
  static std::uint64_t peek(const Layout& layout, Field field) {
    return layout.words().load(field, kRelaxed);
  }
};
struct ProtocolName {
  template <class Protocol>
  static std::string GetName(int) {  // NOLINT(readability-identifier-naming): GoogleTest's name
    return std::string(Protocol::kName);
  }
};
using Protocols = testing::Types<ReferenceProtocol, HardenedProtocol>;
TYPED_TEST_SUITE(Edge, Protocols, ProtocolName);

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

// --- Bytes that are no header -----------------------------------------------------------------

TEST(OpenBytes, EveryLengthAtEveryAlignment) {
  std::vector<std::byte> storage(512 + 16);
  const HeaderBytes header = fresh();
  for (std::size_t shift = 0; shift < 16; ++shift) {
    for (std::size_t size = 0; size <= 512; ++size) {
      const std::span<std::byte> bytes = std::span(storage).subspan(shift, size);
      std::ranges::fill(bytes, std::byte{0xa5});
      std::memcpy(bytes.data(), header.data(), std::min(size, header.size()));
      const auto layout = SharedMemoryLayout::open(bytes);
      if (size < kHeaderSize) {
        ASSERT_FALSE(layout);
        ASSERT_EQ(layout.error(), ShmError(ShmErrorCode::kTooSmall, size, kHeaderSize));
      } else {
        ASSERT_TRUE(layout) << size;
        ASSERT_EQ(layout->to_bytes(), header);
      }
    }
  }
  EXPECT_EQ(SharedMemoryLayout::open({}).error(), ShmErrorCode::kTooSmall);
}

TEST(OpenBytes, TheFirstErrorIsReported) {
  HeaderBytes bytes = fresh();
  put(bytes, offsets::kLayoutChecksum, std::uint64_t{1});
  EXPECT_EQ(SharedMemoryLayout::open(bytes).error(), ShmErrorCode::kChecksumMismatch);
  put(bytes, offsets::kPageSize, std::uint32_t{1000});
  EXPECT_EQ(SharedMemoryLayout::open(bytes).error(), ShmErrorCode::kInvalidPageSize);
  put(bytes, offsets::kVersion, std::uint32_t{2});
  EXPECT_EQ(SharedMemoryLayout::open(bytes).error(), ShmErrorCode::kVersionMismatch);
  put(bytes, offsets::kMagic, std::uint64_t{0});
  EXPECT_EQ(SharedMemoryLayout::open(bytes).error(), ShmErrorCode::kBadMagic);
  EXPECT_EQ(SharedMemoryLayout::open(std::span(bytes).first(215)).error(), ShmErrorCode::kTooSmall);
}

TEST(OpenBytes, EveryFlippedBitOfAnImmutableFieldIsRefused) {
  const HeaderBytes header = fresh();
  for (std::size_t bit = 0; bit < kHeaderSize * 8; ++bit) {
    HeaderBytes bytes = header;
    bytes[bit / 8] ^= std::byte(1U << (bit % 8));
    const std::size_t offset = bit / 8;
    const bool immutable = offset < offsets::kAlign0 ||
                           (offset >= offsets::kLockTableOffset && offset < offsets::kPadding);
    EXPECT_EQ(SharedMemoryLayout::open(bytes).has_value(), !immutable) << "bit " << bit;
  }
}

TEST(OpenBytes, ArbitraryBytesAreRefusedOrSurviveUnchanged) {
  EXPECT_TRUE(rc::check("a header with a random stretch", [] {
    const auto noise = *rc::gen::arbitrary<std::vector<std::uint8_t>>();
    HeaderBytes bytes = fresh();
    const auto start = *rc::gen::inRange<std::size_t>(0, kHeaderSize);
    const std::size_t size = std::min(noise.size(), kHeaderSize - start);
    std::ranges::copy(std::as_bytes(std::span(noise)).first(size),
                      bytes.begin() + static_cast<std::ptrdiff_t>(start));
    if (*rc::gen::arbitrary<bool>()) seal(bytes);
    const auto layout = SharedMemoryLayout::open(bytes);
    RC_ASSERT(layout || validate(bytes) == std::vector{layout.error()});
    if (!layout) return;
    put(bytes, offsets::kAlign0, std::uint32_t{0});
    std::fill(bytes.begin() + offsets::kPadding, bytes.end(), std::byte{0});
    RC_ASSERT(layout->to_bytes() == bytes);
  }));
}

TEST(OpenInPlace, WorksOnTheBytesThemselves) {
  HeaderBlock block{};
  const auto bytes = std::as_writable_bytes(std::span(block)).first(kHeaderSize);
  std::ranges::copy(fresh(), bytes.begin());
  auto a = SharedMemoryLayoutView::open(bytes);
  auto b = SharedMemoryLayoutView::open(bytes);
  ASSERT_TRUE(a && b);
  a->publish_snapshot(CommitSeq(1), SchemaEpoch(2), 3);
  EXPECT_EQ(b->load_consistent_snapshot(), a->load_consistent_snapshot());
  EXPECT_EQ(b->load_commit_seq(), CommitSeq(1));
  EXPECT_EQ(a->alloc_txn_id(), txn(1));
  EXPECT_EQ(b->alloc_txn_id(), txn(2));
  EXPECT_EQ(SharedMemoryLayout::open(bytes)->to_bytes(), a->to_bytes());
}

TEST(OpenInPlace, RefusesMisalignedShortAndForeignBytes) {
  HeaderBlock block{};
  const auto bytes = std::as_writable_bytes(std::span(block));
  EXPECT_EQ(SharedMemoryLayoutView::open(bytes.first(215)).error(), ShmErrorCode::kTooSmall);
  EXPECT_EQ(SharedMemoryLayoutView::open(bytes).error(), ShmErrorCode::kBadMagic);
  std::vector<std::byte> storage(kHeaderSize + 16);
  for (std::size_t shift = 1; shift < 8; ++shift) {
    const auto error =
        SharedMemoryLayoutView::open(std::span(storage).subspan(shift, kHeaderSize)).error();
    EXPECT_EQ(error, ShmErrorCode::kMisaligned);
  }
}

// --- Errors and validation --------------------------------------------------------------------

TEST(Messages, NameTheFieldWhatWasFoundAndWhatWasExpected) {
  const auto message_of = [](std::size_t offset, auto value) {
    HeaderBytes bytes = fresh();
    put(bytes, offset, value);
    return SharedMemoryLayout::open(bytes).error().message();
  };
  EXPECT_EQ(SharedMemoryLayout::open({}).error().message(),
            "header: found 0 bytes, expected at least 216");
  EXPECT_EQ(message_of(0, 'X'),
            "magic (offset 0): found 58 53 51 4c 53 48 4d 00, expected 46 53 51 4c 53 48 4d 00 "
            "(\"FSQLSHM\\0\")");
  EXPECT_EQ(message_of(8, std::uint32_t{99}), "version (offset 8): found 99, expected 1");
  EXPECT_EQ(message_of(12, std::uint32_t{1000}),
            "page_size (offset 12): found 1000, expected a power of two from 512 to 65536");
  EXPECT_THAT(message_of(144, std::uint64_t{5}),
              HasSubstr("layout_checksum (offset 144): found 0x0000000000000005, expected 0x"));
  EXPECT_EQ(TxnId::from_raw(0).error().message(), "transaction id: found 0, expected 1 to 2^62-1");
}

TEST(Messages, EveryCodeHasANameAndAMessageOfItsOwn) {
  std::set<std::string> names;
  std::set<std::string> messages;
  int codes = 0;
  for (int raw = 0; raw < 256; ++raw) {
    const auto code = static_cast<ShmErrorCode>(raw);
    if (to_string(code) == "unknown") continue;
    ++codes;
    names.emplace(to_string(code));
    const std::string message = ShmError(code, 3, 4).message();
    if (code < ShmErrorCode::kFileOpen) {  // about a header; those of files quote the system
      EXPECT_THAT(message, HasSubstr("found")) << to_string(code);
      EXPECT_THAT(message, HasSubstr("expected")) << to_string(code);
    }
    messages.insert(message);
  }
  EXPECT_EQ(codes, static_cast<int>(ShmErrorCode::kNeedsReconcile) + 1);
  EXPECT_EQ(names.size(), static_cast<std::size_t>(codes));
  EXPECT_EQ(messages.size(), static_cast<std::size_t>(codes));
}

TEST(Validate, AFreshHeaderIsGood) {
  for (const std::uint32_t slots : {0U, 1U, 7U, 8U, 9U, 0xffffffffU}) {
    EXPECT_TRUE(validate(SharedMemoryLayout(PageSize(), slots).to_bytes()).empty());
  }
  EXPECT_TRUE(validate(with_word(Field::kNextTxnId, TxnId::kMaxRaw + 1)).empty()) << "used up";
  SharedMemoryLayout used;
  used.publish_snapshot(CommitSeq(9), SchemaEpoch(2), 3);
  used.store_gc_horizon(CommitSeq(9));
  ASSERT_TRUE(used.acquire_serialized_writer(txn(1), 7, kKnownBirth | 9, 0));
  EXPECT_TRUE(validate(used.to_bytes()).empty());
}

TEST(Validate, FindsEachFaultAndNothingElse) {
  struct Fault {
    std::size_t offset;
    std::uint64_t value;
    std::size_t size;
    ShmErrorCode expected;
  };
  using Code = ShmErrorCode;
  for (const Fault& fault : {
           Fault{offsets::kLockTableOffset, 0, 8, Code::kUnderivedLockTableOffset},
           Fault{offsets::kWitnessOffset, 0, 8, Code::kUnderivedWitnessOffset},
           Fault{offsets::kTxnSlotOffset, 0, 8, Code::kUnderivedTxnSlotOffset},
           Fault{offsets::kCommittedReadersOffset, 0, 8, Code::kUnderivedCommittedReadersOffset},
           Fault{offsets::kCommittedReadersBytes, 0, 8, Code::kUnderivedCommittedReadersBytes},
           Fault{offsets::kAlign0, 1, 4, Code::kReservedNotZero},
           Fault{offsets::kPadding, 1, 1, Code::kReservedNotZero},
           Fault{kHeaderSize - 1, 1, 1, Code::kReservedNotZero},
           Fault{offsets::kNextTxnId, 0, 8, Code::kNextTxnIdOutOfDomain},
           Fault{offsets::kNextTxnId, TxnId::kMaxRaw + 2, 8, Code::kNextTxnIdOutOfDomain},
           Fault{offsets::kSnapshotSeq, 1, 8, Code::kSnapshotSeqOdd},
           Fault{offsets::kGcHorizon, 1, 8, Code::kGcHorizonAhead},
           Fault{offsets::kSerializedWriterTxnId, kMax64, 8, Code::kWriterTxnIdOutOfDomain},
           Fault{offsets::kSerializedWriterTxnId, 5, 8, Code::kWriterUnjudgeable},
           Fault{offsets::kSerializedWriterPidAndGen, 5, 8, Code::kWriterLeftovers},
           Fault{offsets::kSerializedWriterPidBirth, 5, 8, Code::kWriterLeftovers},
           Fault{offsets::kSerializedWriterLeaseExpiry, 5, 8, Code::kWriterLeftovers},
       }) {
    HeaderBytes bytes = fresh();
    std::memcpy(bytes.data() + fault.offset, &fault.value, fault.size);
    seal(bytes);
    const std::vector<ShmError> found = validate(bytes);
    ASSERT_EQ(found.size(), 1U) << "offset " << fault.offset;
    EXPECT_EQ(found[0], fault.expected) << found[0].message();
  }
}

TEST(Validate, ZeroSlotsAreReportedWithWhatFollowsFromThem) {
  HeaderBytes bytes = fresh();
  put(bytes, offsets::kMaxTxnSlots, std::uint32_t{0});
  seal(bytes);
  std::set<ShmErrorCode> codes;
  for (const ShmError& error : validate(bytes)) codes.insert(error.code());
  EXPECT_TRUE(codes.contains(ShmErrorCode::kUnderivedMaxTxnSlots));
}

// --- The two protocols against each other -----------------------------------------------------

// One random operation on both; true if they answered alike.
bool step_both(OwnedSharedMemoryLayout<ReferenceProtocol>& a,
               OwnedSharedMemoryLayout<HardenedProtocol>& b) {
  const auto value = [] {
    return *rc::gen::oneOf(rc::gen::arbitrary<std::uint64_t>(),
                           rc::gen::inRange<std::uint64_t>(0, 6),
                           rc::gen::element(kMax64, TxnId::kMaxRaw));
  };
  const auto both = [&](auto&& operation) { return operation(a) == operation(b); };
  switch (*rc::gen::inRange(0, 9)) {
    case 0: {
      const TxnId id = txn(*rc::gen::inRange<std::uint64_t>(1, 5));
      const auto pid = static_cast<std::uint32_t>(*rc::gen::inRange(0, 4));
      const std::uint64_t birth = value();
      const std::uint64_t lease = value();
      return both([&](auto& l) { return l.acquire_serialized_writer(id, pid, birth, lease); });
    }
    case 1: {
      const TxnId id = txn(*rc::gen::inRange<std::uint64_t>(1, 5));
      return both([&](auto& l) { return l.release_serialized_writer(id); });
    }
    case 2: {
      const std::uint64_t now = value();
      const bool alive = *rc::gen::arbitrary<bool>();
      return both([&](auto& l) {
        return l.check_serialized_writer_exclusion(
            now, [&](std::uint32_t, std::uint64_t) { return alive; });
      });
    }
    case 3: {
      const ShmSnapshot s{CommitSeq(value()), SchemaEpoch(value()), value()};
      return both([&](auto& l) {
        l.publish_snapshot(s.commit_seq, s.schema_epoch, s.ecs_epoch);
        return l.load_commit_seq();
      });
    }
    case 4:
      return both([](auto& l) {
        l.begin_snapshot_publish();
        return l.try_load_consistent_snapshot(1);
      });
    case 5:
      return both([](auto& l) {
        l.end_snapshot_publish();
        return l.try_load_consistent_snapshot(2);
      });
    case 6:
      return both([](auto& l) { return l.alloc_txn_id(); });
    case 7: {
      const CommitSeq horizon(value());
      return both([&](auto& l) {
        l.store_gc_horizon(horizon);
        return l.load_gc_horizon();
      });
    }
    default:
      return both([](auto& l) { return l.check_serialized_writer(); });
  }
}

TEST(BothProtocols, AreSequentiallyIndistinguishableByteForByte) {
  EXPECT_TRUE(rc::check("same answers and same bytes after every operation", [] {
    // Any dynamic words, the writer's being 0 or an id.
    HeaderBytes bytes = fresh();
    for (const Field field : kAtomicFields) {
      put(bytes, offset_of(field), *rc::gen::arbitrary<std::uint64_t>());
    }
    put(bytes, offsets::kSerializedWriterTxnId, *rc::gen::inRange<std::uint64_t>(0, 5));
    auto a = OwnedSharedMemoryLayout<ReferenceProtocol>::open(bytes).value();
    auto b = OwnedSharedMemoryLayout<HardenedProtocol>::open(bytes).value();
    for (int steps = *rc::gen::inRange(1, 40); steps > 0; --steps) {
      RC_ASSERT(step_both(a, b));
      RC_ASSERT(a.to_bytes() == b.to_bytes());
    }
  }));
}

}  // namespace
}  // namespace fsqlshm
