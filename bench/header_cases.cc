// Opening, creating, serialising, and reading after a publisher died within its window.

#include "cases.h"
#include "fsqlshm/shared_memory_layout.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace fsqlshm::bench {
namespace {

// A header in memory, as open() would find it, that the compiler knows nothing of.
struct alignas(64) LiveHeader {
  HeaderBytes bytes = SharedMemoryLayout().to_bytes();
  LiveHeader() { keep(*this); }
};

void open_owned(benchmark::State& state) {
  const LiveHeader header;
  for (auto _ : state) {
    asm volatile("" : : : "memory");
    keep(SharedMemoryLayout::open(header.bytes));
  }
}

void open_in_place(benchmark::State& state) {
  LiveHeader header;
  for (auto _ : state) {
    asm volatile("" : : : "memory");
    keep(SharedMemoryLayoutView::open(header.bytes));
  }
}

/// open() cannot be faster than the checksum that it has to verify: the same hash of 60 bytes that
/// lie in a row, in memory.
void hash_60_bytes(benchmark::State& state) {
  std::array<unsigned char, 60> bytes{};
  keep(bytes);
  for (auto _ : state) {
    asm volatile("" : : : "memory");
    const XXH64_hash_t hash = XXH3_64bits(bytes.data(), bytes.size());
    asm volatile("" : : "r"(hash));
  }
}

void checksum(benchmark::State& state) {
  Geometry geometry = Geometry::derive({}, 0);
  for (auto _ : state) {
    keep(geometry);
    const std::uint64_t hash = geometry.compute_checksum();
    asm volatile("" : : "r"(hash));
  }
}

void create(benchmark::State& state) {
  std::uint32_t slots = kDefaultMaxTxnSlots;
  for (auto _ : state) {
    asm volatile("" : "+r"(slots));
    keep(SharedMemoryLayout(PageSize(), slots));
  }
}

void to_bytes(benchmark::State& state) {
  const SharedMemoryLayout layout;
  keep(layout);
  for (auto _ : state) {
    asm volatile("" : : : "memory");
    keep(layout.to_bytes());
  }
}

/// The number of attempts is the argument; each one finds the odd number that the
/// publisher that died has left.
void dead_publisher(benchmark::State& state) {
  LiveHeader header;
  auto view = SharedMemoryLayoutView::open(header.bytes).value();
  view.begin_snapshot_publish();
  const auto attempts = static_cast<std::uint64_t>(state.range(0));
  bool good = true;
  for (auto _ : state) good &= !view.try_load_consistent_snapshot(attempts);
  if (!good) throw WrongResult("a read in an open window");
}

}  // namespace

void add_header_cases(Cases& cases) {
  const auto add = [&](const char* operation, auto body, bool control = false) {
    cases.push_back({.facts = {{"group", "header"}, {"operation", operation}},
                     .body = body,
                     .control = control});
  };
  add("open_owned", open_owned);
  add("open_in_place", open_in_place);
  add("xxh3_64_of_60_bytes", hash_60_bytes, true);
  add("checksum", checksum);
  add("create", create);
  add("to_bytes", to_bytes);
  cases.push_back({.facts = {{"group", "dead_publisher"}, {"operation", "try_load"}},
                   .body = dead_publisher,
                   .args = {1, 4, 16, 64, 256}});
}

}  // namespace fsqlshm::bench
