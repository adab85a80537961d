// The original's tests, continued: ids, completion tests, properties.

#include "original_test.h"

namespace fsqlshm {
namespace {

// --- TxnId allocation -------------------------------------------------------------------------

TYPED_TEST(Original, test_alloc_txn_id) {
  typename TestFixture::Layout layout(PageSize(), 64);
  EXPECT_EQ(layout.alloc_txn_id(), txn(1));
  EXPECT_EQ(layout.alloc_txn_id(), txn(2));
}

TYPED_TEST(Original, test_alloc_txn_id_threaded) {
  typename TestFixture::Layout layout(PageSize(), 64);
  std::array<std::vector<std::uint64_t>, 4> ids;
  {
    std::vector<std::jthread> threads;
    for (auto& mine : ids) {
      threads.emplace_back([&layout, &mine] {
        for (int i = 0; i < 100; ++i) mine.push_back(layout.alloc_txn_id().value().get());
      });
    }
  }
  std::vector<std::uint64_t> all;
  for (const auto& mine : ids) all.insert(all.end(), mine.begin(), mine.end());
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::unique(all).begin(), all.end());
  EXPECT_EQ(all.size(), 400U);
}

// --- Completion tests -------------------------------------------------------------------------

TYPED_TEST(Original, test_shm_magic_version_checksum) {
  const typename TestFixture::Layout layout(PageSize(), 128);
  const HeaderBytes bytes = layout.to_bytes();
  EXPECT_EQ(std::memcmp(bytes.data(), "FSQLSHM\0", 8), 0);
  EXPECT_EQ(read_u32(bytes, offsets::kVersion), 1U);
  EXPECT_EQ(read_u64(bytes, offsets::kLayoutChecksum), layout.layout_checksum());
}

TYPED_TEST(Original, test_align_padding_fields_are_zero) {
  const HeaderBytes bytes = typename TestFixture::Layout(PageSize(), 64).to_bytes();
  EXPECT_EQ(read_u32(bytes, offsets::kAlign0), 0U);
  for (std::size_t i = offsets::kPadding; i < kHeaderSize; ++i) EXPECT_EQ(bytes[i], std::byte{0});
}

TYPED_TEST(Original, test_begin_snapshot_publish_stale_odd_handled) {
  typename TestFixture::Layout layout(PageSize(), 64);
  layout.begin_snapshot_publish();
  const std::uint64_t odd = this->seq(layout);
  EXPECT_EQ(odd % 2, 1U);
  layout.begin_snapshot_publish();
  EXPECT_EQ(this->seq(layout), odd);
}

TYPED_TEST(Original, test_load_consistent_snapshot_retries_until_even) {
  typename TestFixture::Layout layout(PageSize(), 64);
  layout.publish_snapshot(CommitSeq(10), SchemaEpoch(20), 30);

  layout.begin_snapshot_publish();
  layout.words().store(Field::kSchemaEpoch, 200, std::memory_order::release);
  layout.words().store(Field::kEcsEpoch, 300, std::memory_order::release);
  layout.words().store(Field::kCommitSeq, 100, std::memory_order::release);

  ShmSnapshot snapshot;
  std::thread reader([&] { snapshot = layout.load_consistent_snapshot(); });
  // Time enough for the reader to spin on the odd number.
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  layout.end_snapshot_publish();
  reader.join();

  EXPECT_EQ(snapshot.commit_seq, CommitSeq(100));
  EXPECT_EQ(snapshot.schema_epoch, SchemaEpoch(200));
  EXPECT_EQ(snapshot.ecs_epoch, 300U);
}

TYPED_TEST(Original, test_serialized_writer_zero_means_no_writer) {
  const typename TestFixture::Layout layout(PageSize(), 64);
  EXPECT_FALSE(layout.check_serialized_writer());
}

TYPED_TEST(Original, test_serialized_writer_aux_cleared_on_release) {
  typename TestFixture::Layout layout(PageSize(), 64);
  EXPECT_TRUE(layout.acquire_serialized_writer(txn(42), 1234, 999, 10'000));
  EXPECT_EQ(this->writer_pid(layout), 1234U);
  EXPECT_EQ(this->writer_birth(layout), 999U);

  EXPECT_TRUE(layout.release_serialized_writer(txn(42)));
  EXPECT_FALSE(layout.check_serialized_writer());
  EXPECT_EQ(this->writer_pid(layout), 0U);
  EXPECT_EQ(this->writer_birth(layout), 0U);
  EXPECT_EQ(this->writer_lease(layout), 0U);
}

TYPED_TEST(Original, test_zero_max_txn_slots_uses_default) {
  const typename TestFixture::Layout layout(PageSize(), 0);
  EXPECT_EQ(layout.max_txn_slots(), 128U);
}

TYPED_TEST(Original, test_shm_reconciliation_never_ahead_of_durable) {
  typename TestFixture::Layout layout(PageSize(), 64);
  // The header is ahead of what is durable: down.
  layout.publish_snapshot(CommitSeq(100), SchemaEpoch(50), 30);
  layout.reconcile(CommitSeq(95), SchemaEpoch(45), 25);
  ShmSnapshot snapshot = layout.load_consistent_snapshot();
  EXPECT_EQ(snapshot.commit_seq, CommitSeq(95));
  EXPECT_EQ(snapshot.schema_epoch, SchemaEpoch(45));
  // It is behind: up.
  layout.reconcile(CommitSeq(200), SchemaEpoch(100), 60);
  snapshot = layout.load_consistent_snapshot();
  EXPECT_EQ(snapshot.commit_seq, CommitSeq(200));
  EXPECT_EQ(snapshot.schema_epoch, SchemaEpoch(100));
}

TYPED_TEST(Original, test_ddl_schema_epoch_stored_before_commit_seq) {
  publish_and_read<typename TestFixture::Layout>(500, 2000);
}

TYPED_TEST(Original, test_no_reinterpret_cast_safe_mmap_only) {
  // The layout is no overlay of the 216 bytes: it is opened from and written to bytes.
  EXPECT_NE(sizeof(typename TestFixture::Layout), 216U);
  const typename TestFixture::Layout layout(PageSize(), 64);
  const HeaderBytes bytes = layout.to_bytes();
  EXPECT_EQ(bytes.size(), 216U);
  EXPECT_TRUE(TestFixture::Layout::open(bytes));
  EXPECT_EQ(kHeaderSize, 216U);
}

// --- Properties -------------------------------------------------------------------------------

std::uint64_t below_10000() { return *rc::gen::inRange<std::uint64_t>(0, 10'000); }

TYPED_TEST(Original, seqlock_never_returns_mixed_snapshot) {
  EXPECT_TRUE(rc::check("a snapshot is the triple that was published", [] {
    const ShmSnapshot expected{CommitSeq(below_10000()), SchemaEpoch(below_10000()), below_10000()};
    typename TestFixture::Layout layout(PageSize(), 64);
    layout.publish_snapshot(expected.commit_seq, expected.schema_epoch, expected.ecs_epoch);
    RC_ASSERT(layout.load_consistent_snapshot() == expected);
  }));
}

TYPED_TEST(Original, reconciliation_sets_exact_values) {
  EXPECT_TRUE(rc::check("reconcile puts exactly the durable triple in force", [] {
    const ShmSnapshot durable{CommitSeq(below_10000()), SchemaEpoch(below_10000()), below_10000()};
    typename TestFixture::Layout layout(PageSize(), 64);
    layout.publish_snapshot(CommitSeq(5000), SchemaEpoch(5000), 5000);
    layout.reconcile(durable.commit_seq, durable.schema_epoch, durable.ecs_epoch);
    RC_ASSERT(layout.load_consistent_snapshot() == durable);
  }));
}

TYPED_TEST(Original, checksum_deterministic_property) {
  EXPECT_TRUE(rc::check("equal parameters make equal checksums", [] {
    const PageSize size = page(std::uint32_t{1} << *rc::gen::inRange(9, 17));
    const auto slots = *rc::gen::inRange<std::uint32_t>(1, 512);
    const typename TestFixture::Layout a(size, slots);
    const typename TestFixture::Layout b(size, slots);
    RC_ASSERT(a.layout_checksum() == b.layout_checksum());
  }));
}

}  // namespace
}  // namespace fsqlshm
