// The 44 tests of the Rust original (fsqlite-mvcc 0.1.2, shm.rs), under their own names and with
// its assertions, against both protocols. original_tests.txt lists the names; CTest compares.

#include "original_test.h"

namespace fsqlshm {
namespace {

// --- Construction and serialisation -----------------------------------------------------------

TYPED_TEST(Original, test_default_layout) {
  const typename TestFixture::Layout layout(PageSize(), 128);
  EXPECT_EQ(layout.page_size(), PageSize());
  EXPECT_EQ(layout.max_txn_slots(), 128U);
  EXPECT_GE(layout.lock_table_offset(), kHeaderSize);
  EXPECT_GT(layout.witness_offset(), layout.lock_table_offset());
  EXPECT_GT(layout.txn_slot_offset(), layout.witness_offset());
  EXPECT_GT(layout.committed_readers_offset(), layout.txn_slot_offset());
}

TYPED_TEST(Original, test_header_size_is_216) {
  EXPECT_EQ(kHeaderSize, 216U);
  const typename TestFixture::Layout layout(PageSize(), 64);
  EXPECT_EQ(layout.to_bytes().size(), 216U);
}

TYPED_TEST(Original, test_roundtrip_serialization) {
  typename TestFixture::Layout layout(PageSize(), 256);
  layout.publish_snapshot(CommitSeq(42), SchemaEpoch(7), 99);
  layout.store_gc_horizon(CommitSeq(10));

  const auto restored = TestFixture::Layout::open(layout.to_bytes());
  ASSERT_TRUE(restored);
  EXPECT_EQ(restored->page_size(), layout.page_size());
  EXPECT_EQ(restored->max_txn_slots(), layout.max_txn_slots());
  EXPECT_EQ(restored->lock_table_offset(), layout.lock_table_offset());
  EXPECT_EQ(restored->witness_offset(), layout.witness_offset());
  EXPECT_EQ(restored->txn_slot_offset(), layout.txn_slot_offset());
  EXPECT_EQ(restored->committed_readers_offset(), layout.committed_readers_offset());
  EXPECT_EQ(restored->committed_readers_bytes(), layout.committed_readers_bytes());
  EXPECT_EQ(restored->layout_checksum(), layout.layout_checksum());
  EXPECT_EQ(restored->load_commit_seq(), layout.load_commit_seq());
  EXPECT_EQ(restored->load_schema_epoch(), layout.load_schema_epoch());
  EXPECT_EQ(restored->load_ecs_epoch(), layout.load_ecs_epoch());
  EXPECT_EQ(restored->load_gc_horizon(), layout.load_gc_horizon());
}

TYPED_TEST(Original, test_open_bad_magic) {
  HeaderBytes bytes = typename TestFixture::Layout(PageSize(), 64).to_bytes();
  bytes[0] = std::byte{'X'};
  EXPECT_EQ(TestFixture::Layout::open(bytes).error(), ShmErrorCode::kBadMagic);
}

TYPED_TEST(Original, test_open_bad_version) {
  HeaderBytes bytes = typename TestFixture::Layout(PageSize(), 64).to_bytes();
  write_u32(bytes, offsets::kVersion, 99);
  EXPECT_EQ(TestFixture::Layout::open(bytes).error(), ShmErrorCode::kVersionMismatch);
}

TYPED_TEST(Original, test_open_bad_checksum) {
  HeaderBytes bytes = typename TestFixture::Layout(PageSize(), 64).to_bytes();
  write_u32(bytes, offsets::kMaxTxnSlots, 999);
  EXPECT_EQ(TestFixture::Layout::open(bytes).error(), ShmErrorCode::kChecksumMismatch);
}

// --- Alignment --------------------------------------------------------------------------------

TYPED_TEST(Original, test_atomic_u64_offsets_divisible_by_8) {
  for (const std::size_t offset : {
           offsets::kNextTxnId,
           offsets::kSnapshotSeq,
           offsets::kCommitSeq,
           offsets::kSchemaEpoch,
           offsets::kEcsEpoch,
           offsets::kGcHorizon,
           offsets::kSerializedWriterTxnId,
           offsets::kSerializedWriterPidAndGen,
           offsets::kSerializedWriterPidBirth,
           offsets::kSerializedWriterLeaseExpiry,
           offsets::kLockTableOffset,
           offsets::kWitnessOffset,
           offsets::kTxnSlotOffset,
           offsets::kCommittedReadersOffset,
           offsets::kCommittedReadersBytes,
           offsets::kLayoutChecksum,
       }) {
    EXPECT_EQ(offset % 8, 0U) << offset;
  }
}

TYPED_TEST(Original, test_atomic_u32_offsets_divisible_by_4) {
  for (const std::size_t offset :
       {offsets::kVersion, offsets::kPageSize, offsets::kMaxTxnSlots, offsets::kAlign0}) {
    EXPECT_EQ(offset % 4, 0U) << offset;
  }
}

// --- Checksum ---------------------------------------------------------------------------------

TYPED_TEST(Original, test_checksum_immutable_only) {
  typename TestFixture::Layout layout(PageSize(), 64);
  const std::uint64_t before = layout.layout_checksum();
  layout.publish_snapshot(CommitSeq(999), SchemaEpoch(888), 777);
  EXPECT_EQ(layout.geometry().compute_checksum(), before);
  EXPECT_EQ(TestFixture::Layout::open(layout.to_bytes())->geometry().compute_checksum(), before);
}

TYPED_TEST(Original, test_checksum_deterministic) {
  const typename TestFixture::Layout a(PageSize(), 64);
  const typename TestFixture::Layout b(PageSize(), 64);
  EXPECT_EQ(a.layout_checksum(), b.layout_checksum());
}

TYPED_TEST(Original, test_checksum_different_params_differ) {
  const typename TestFixture::Layout a(PageSize(), 64);
  const typename TestFixture::Layout b(PageSize(), 128);
  EXPECT_NE(a.layout_checksum(), b.layout_checksum());
  const typename TestFixture::Layout c(page(8192), 64);
  EXPECT_NE(a.layout_checksum(), c.layout_checksum());
}

// --- Seqlock ----------------------------------------------------------------------------------

TYPED_TEST(Original, test_seqlock_begin_end_publish) {
  typename TestFixture::Layout layout(PageSize(), 64);
  EXPECT_EQ(this->seq(layout), 0U);
  layout.begin_snapshot_publish();
  EXPECT_EQ(this->seq(layout) % 2, 1U);
  layout.end_snapshot_publish();
  EXPECT_EQ(this->seq(layout) % 2, 0U);
  EXPECT_EQ(this->seq(layout), 2U);
}

TYPED_TEST(Original, test_load_consistent_snapshot) {
  typename TestFixture::Layout layout(PageSize(), 64);
  layout.publish_snapshot(CommitSeq(5), SchemaEpoch(3), 17);
  const ShmSnapshot snapshot = layout.load_consistent_snapshot();
  EXPECT_EQ(snapshot.commit_seq, CommitSeq(5));
  EXPECT_EQ(snapshot.schema_epoch, SchemaEpoch(3));
  EXPECT_EQ(snapshot.ecs_epoch, 17U);
}

TYPED_TEST(Original, test_seqlock_threaded_retry) {
  publish_and_read<typename TestFixture::Layout>(1000, 5000);
}

TYPED_TEST(Original, test_seqlock_crash_repair) {
  typename TestFixture::Layout layout(PageSize(), 64);
  layout.begin_snapshot_publish();
  EXPECT_EQ(this->seq(layout) % 2, 1U);

  layout.reconcile(CommitSeq(10), SchemaEpoch(5), 3);
  EXPECT_EQ(this->seq(layout) % 2, 0U);
  const ShmSnapshot snapshot = layout.load_consistent_snapshot();
  EXPECT_EQ(snapshot.commit_seq, CommitSeq(10));
  EXPECT_EQ(snapshot.schema_epoch, SchemaEpoch(5));
  EXPECT_EQ(snapshot.ecs_epoch, 3U);
}

TYPED_TEST(Original, test_seqlock_ddl_ordering) {
  typename TestFixture::Layout layout(PageSize(), 64);
  layout.publish_snapshot(CommitSeq(100), SchemaEpoch(50), 25);
  const ShmSnapshot snapshot = layout.load_consistent_snapshot();
  EXPECT_EQ(snapshot.commit_seq, CommitSeq(100));
  EXPECT_EQ(snapshot.schema_epoch, SchemaEpoch(50));
  EXPECT_EQ(snapshot.ecs_epoch, 25U);
}

TYPED_TEST(Original, test_seqlock_ecs_epoch_included) {
  typename TestFixture::Layout layout(PageSize(), 64);
  layout.publish_snapshot(CommitSeq(1), SchemaEpoch(1), 42);
  EXPECT_EQ(layout.load_consistent_snapshot().ecs_epoch, 42U);
}

// --- Reconciliation ---------------------------------------------------------------------------

TYPED_TEST(Original, test_reconcile_clamp_ahead) {
  typename TestFixture::Layout layout(PageSize(), 64);
  layout.publish_snapshot(CommitSeq(100), SchemaEpoch(50), 30);
  layout.reconcile(CommitSeq(80), SchemaEpoch(40), 20);
  const ShmSnapshot expected{CommitSeq(80), SchemaEpoch(40), 20};
  EXPECT_EQ(layout.load_consistent_snapshot(), expected);
}

TYPED_TEST(Original, test_reconcile_advance_behind) {
  typename TestFixture::Layout layout(PageSize(), 64);
  layout.publish_snapshot(CommitSeq(10), SchemaEpoch(5), 3);
  layout.reconcile(CommitSeq(50), SchemaEpoch(25), 15);
  const ShmSnapshot expected{CommitSeq(50), SchemaEpoch(25), 15};
  EXPECT_EQ(layout.load_consistent_snapshot(), expected);
}

TYPED_TEST(Original, test_reconcile_repair_odd_seq) {
  typename TestFixture::Layout layout(PageSize(), 64);
  layout.begin_snapshot_publish();
  EXPECT_EQ(this->seq(layout) % 2, 1U);
  layout.reconcile(CommitSeq(1), SchemaEpoch(1), 1);
  EXPECT_EQ(this->seq(layout) % 2, 0U);
}

// --- Serialized writer ------------------------------------------------------------------------

TYPED_TEST(Original, test_serialized_writer_acquire_release) {
  typename TestFixture::Layout layout(PageSize(), 64);
  EXPECT_FALSE(layout.check_serialized_writer());
  EXPECT_TRUE(layout.acquire_serialized_writer(txn(42), 1234, 999, 10'000));
  EXPECT_EQ(layout.check_serialized_writer(), txn(42));
  EXPECT_TRUE(layout.release_serialized_writer(txn(42)));
  EXPECT_FALSE(layout.check_serialized_writer());
}

TYPED_TEST(Original, test_serialized_writer_idempotent_release) {
  typename TestFixture::Layout layout(PageSize(), 64);
  EXPECT_TRUE(layout.acquire_serialized_writer(txn(42), 1234, 999, 10'000));
  EXPECT_TRUE(layout.release_serialized_writer(txn(42)));
  EXPECT_FALSE(layout.release_serialized_writer(txn(42)));
}

TYPED_TEST(Original, test_serialized_writer_blocks_second_writer_txn_id) {
  typename TestFixture::Layout layout(PageSize(), 64);
  EXPECT_TRUE(layout.acquire_serialized_writer(txn(42), 1234, 999, 10'000));
  EXPECT_FALSE(layout.acquire_serialized_writer(txn(99), 5678, 888, 10'000));
  EXPECT_TRUE(layout.release_serialized_writer(txn(42)));
}

TYPED_TEST(Original, test_serialized_writer_lease_set) {
  typename TestFixture::Layout layout(PageSize(), 64);
  EXPECT_TRUE(layout.acquire_serialized_writer(txn(42), 1234, 999, 10'000));
  EXPECT_EQ(this->writer_lease(layout), 10'000U);
  EXPECT_EQ(this->writer_pid(layout), 1234U);
  EXPECT_EQ(this->writer_birth(layout), 999U);
}

// --- Edge cases -------------------------------------------------------------------------------

TYPED_TEST(Original, test_buffer_too_small) {
  const std::array<std::byte, 100> bytes{};
  EXPECT_EQ(TestFixture::Layout::open(bytes).error(), ShmErrorCode::kTooSmall);
}

TYPED_TEST(Original, test_stale_indicator_cleared_by_cas) {
  typename TestFixture::Layout layout(PageSize(), 64);
  const std::uint64_t now = 100;
  EXPECT_TRUE(layout.acquire_serialized_writer(txn(42), 1234, 999, now - 1));
  EXPECT_TRUE(layout.check_serialized_writer());

  EXPECT_EQ(layout.check_serialized_writer_exclusion(now, nobody_lives), Exclusion::kOk);
  EXPECT_FALSE(layout.check_serialized_writer());
  EXPECT_EQ(this->writer_pid(layout), 0U);
  EXPECT_EQ(this->writer_birth(layout), 0U);
  EXPECT_EQ(this->writer_lease(layout), 0U);
}

TYPED_TEST(Original, test_stale_indicator_clears_when_now_equals_lease_expiry) {
  typename TestFixture::Layout layout(PageSize(), 64);
  const std::uint64_t now = 500;
  EXPECT_TRUE(layout.acquire_serialized_writer(txn(77), 4321, 123, now));
  EXPECT_TRUE(layout.check_serialized_writer());
  EXPECT_EQ(layout.check_serialized_writer_exclusion(now, everybody_lives), Exclusion::kOk);
  EXPECT_FALSE(layout.check_serialized_writer());
}

TYPED_TEST(Original, test_cas_retry_on_new_writer_during_stale_clear) {
  const std::uint64_t now = 100;
  HeaderBlock block{};
  const Geometry geometry = Geometry::derive(PageSize(), 64);
  BasicSharedMemoryLayout<HookedWords, TypeParam> checker(geometry, block.data());
  BasicSharedMemoryLayout<RawWords, TypeParam> others(geometry, block.data());
  EXPECT_TRUE(others.acquire_serialized_writer(txn(42), 1234, 999, now - 1));

  // Between the checker's verdict and its compare-and-swap the stale writer lets go and another
  // one comes.
  int hooks = 0;
  checker.words().before_compare_exchange = [&](Field field, std::uint64_t expected) {
    if (field != Field::kSerializedWriterTxnId || hooks++ > 0) return;
    EXPECT_EQ(expected, 42U);
    EXPECT_TRUE(others.release_serialized_writer(txn(42)));
    EXPECT_TRUE(others.acquire_serialized_writer(txn(99), 5678, 888, now + 10'000));
  };
  EXPECT_EQ(checker.check_serialized_writer_exclusion(now, everybody_lives), Exclusion::kBusy);
  EXPECT_EQ(hooks, 1);
  EXPECT_EQ(checker.check_serialized_writer(), txn(99));
}

TYPED_TEST(Original, test_various_page_sizes) {
  for (const std::uint32_t bytes : {512U, 1024U, 2048U, 4096U, 8192U, 16384U, 32768U, 65536U}) {
    const typename TestFixture::Layout layout(page(bytes), 64);
    const auto restored = TestFixture::Layout::open(layout.to_bytes());
    ASSERT_TRUE(restored);
    EXPECT_EQ(restored->page_size(), page(bytes));
  }
}

}  // namespace
}  // namespace fsqlshm
