// The custom mutator's entry points. Apart from the others, because a target without a mutator of
// its own must not define them.

#include <algorithm>

#include "fuzz/target.h"

extern "C" [[gnu::weak]] std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size,
                                                      std::size_t max_size);

namespace {

// Stands in where an engine has no mutator to offer: one byte is changed.
std::size_t change_one_byte(std::uint8_t* data, std::size_t size, std::size_t max_size) {
  if (size == 0) {
    if (max_size == 0) return 0;
    data[size++] = 0;
  }
  data[size / 2] = static_cast<std::uint8_t>(data[size / 2] * 5 + 1);
  return size;
}

}  // namespace

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size,
                                               std::size_t max_size, unsigned seed) {
  const fsqlshm::fuzz::ByteMutator engine =
      LLVMFuzzerMutate != nullptr ? LLVMFuzzerMutate : change_one_byte;
  return fsqlshm::fuzz::target().mutate({data, max_size}, std::min(size, max_size), seed, engine);
}

extern "C" std::size_t LLVMFuzzerCustomCrossOver(const std::uint8_t* data1, std::size_t size1,
                                                 const std::uint8_t* data2, std::size_t size2,
                                                 std::uint8_t* out, std::size_t max_out,
                                                 unsigned seed) {
  return fsqlshm::fuzz::target().cross({data1, size1}, {data2, size2}, {out, max_out}, seed);
}
