#include <fsqlshm/shared_memory_layout.h>

#include <cstdio>

int main() {
  using namespace fsqlshm;
  SharedMemoryLayout header(PageSize(), 64);
  header.publish_snapshot(CommitSeq(7), SchemaEpoch(2), 1);

  const auto copy = SharedMemoryLayout::open(header.to_bytes());
  if (!copy) {
    std::puts(copy.error().message().c_str());
    return 1;
  }
  const auto snapshot = copy->try_load_consistent_snapshot(100);
  std::printf("commit_seq %llu\n",
              static_cast<unsigned long long>(snapshot ? snapshot->commit_seq.get() : 0));
  return snapshot && snapshot->commit_seq == CommitSeq(7) ? 0 : 1;
}
