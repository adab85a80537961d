// Memory that runs out at any allocation of a creation. A program of its own: it has an operator new of
// its own, where sanitizers have theirs.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>

#include "fsqlshm_file.h"
#include "harness/open_files.h"

namespace {

// How many more allocations of this thread succeed; negative: all.
thread_local int allocations_left = -1;

}  // namespace

void* operator new(std::size_t size) {
  if (allocations_left >= 0 && allocations_left-- == 0) throw std::bad_alloc();
  void* const memory = std::malloc(size);
  return memory != nullptr ? memory : throw std::bad_alloc();
}
// Not inlined: g++ 12 would take free for the wrong end of what its new began.
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

namespace fs = std::filesystem;
using fsqlshm::harness::open_files;

TEST(OutOfMemory, LosesNothing) {
  std::string pattern = fs::temp_directory_path() / "fsqlshm_memory.XXXXXX";
  ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
  const fs::path folder = pattern;
  const fs::path path = folder / "foo.db.fsqlite-shm";
  fsqlshm_file_options options{};
  fsqlshm_file_options_init(&options, sizeof(options));
  const auto before = open_files(folder);
  fsqlshm_error error{};
  fsqlshm_file* file = nullptr;
  fsqlshm_code code = FSQLSHM_OK;
  int allocations = 0;
  for (; allocations < 1000; ++allocations) {
    for (const auto& entry : fs::directory_iterator(folder)) fs::remove(entry);
    allocations_left = allocations;
    code = fsqlshm_file_create(path.c_str(), &options, &file, &error);
    allocations_left = -1;
    if (code != FSQLSHM_NO_MEMORY) break;
    EXPECT_EQ(open_files(folder), before) << allocations;
  }
  EXPECT_EQ(code, FSQLSHM_OK);
  EXPECT_GT(allocations, 5);
  EXPECT_EQ(fsqlshm_file_close(file, nullptr), FSQLSHM_OK);
  EXPECT_EQ(open_files(folder), before);
  fs::remove_all(folder);
}

}  // namespace
