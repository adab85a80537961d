// The hot operations allocate nothing: every operator new of this program counts.

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <new>

#include "fsqlshm/shared_memory_layout.h"

namespace {
std::atomic<std::uint64_t> g_allocations{0};

void* allocate(std::size_t size, std::size_t alignment) {
  ++g_allocations;
  void* const memory =
      std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
// Inlined into a delete whose new is not inlined, free() looks to g++ like the wrong counterpart.
[[gnu::noinline]] void release(void* memory) noexcept { std::free(memory); }
}  // namespace

void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new[](std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void* operator new[](std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { release(memory); }
void operator delete[](void* memory) noexcept { release(memory); }
void operator delete(void* memory, std::size_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t) noexcept { release(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { release(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { release(memory); }

namespace fsqlshm::bench {
namespace {

template <class Body>
std::uint64_t allocations_of(Body body) {
  const std::uint64_t before = g_allocations;
  body();
  return g_allocations - before;
}

TEST(Allocation, IsSeenByThisTest) {
  EXPECT_GT(allocations_of([] {
              std::string* volatile text = new std::string(100, 'x');
              delete text;
            }),
            0U);
  EXPECT_GT(allocations_of([] { (void)ShmError(ShmErrorCode::kBadMagic).message(); }), 0U);
}

TEST(Allocation, OpenNeedsNone) {
  alignas(8) HeaderBytes good = SharedMemoryLayout().to_bytes();
  std::vector<HeaderBytes> bad(5, good);
  bad[0][0] ^= std::byte{1};                          // magic
  bad[1][offsets::kVersion] ^= std::byte{1};          // version
  bad[2][offsets::kPageSize] ^= std::byte{1};         // page size
  bad[3][offsets::kLockTableOffset] ^= std::byte{1};  // checksum
  EXPECT_EQ(allocations_of([&] {
              ASSERT_TRUE(SharedMemoryLayout::open(good));
              ASSERT_TRUE(SharedMemoryLayoutView::open(good));
              for (int i = 0; i < 4; ++i) {
                ASSERT_FALSE(SharedMemoryLayout::open(bad[static_cast<std::size_t>(i)]));
              }
              ASSERT_FALSE(SharedMemoryLayout::open(std::span(good).first(215)));
            }),
            0U);
}

TEST(Allocation, OperationsNeedNone) {
  EXPECT_EQ(allocations_of([] {
              SharedMemoryLayout layout;
              layout.publish_snapshot(CommitSeq(1), SchemaEpoch(2), 3);
              ASSERT_EQ(layout.load_consistent_snapshot().ecs_epoch, 3U);
              ASSERT_TRUE(layout.try_load_consistent_snapshot(1));
              const auto id = layout.alloc_txn_id();
              ASSERT_TRUE(id);
              ASSERT_TRUE(layout.acquire_serialized_writer(*id, 1, kKnownBirth | 1, 5));
              ASSERT_EQ(layout.check_serialized_writer_exclusion(1, process_alive),
                        Exclusion::kBusy);
              ASSERT_EQ(layout.check_serialized_writer_exclusion(5, process_alive), Exclusion::kOk);
              (void)layout.to_bytes();
            }),
            0U);
}

}  // namespace
}  // namespace fsqlshm::bench
