// Mutators that know the shape of an input.
//
// A mutator of plain bytes almost never gets past the checksum of a header and rarely changes one
// argument of one operation. These pick whole fields and records, set them to values where code
// tends to break, and hand part of the work to the engine's own mutator, so that dictionaries and
// compare hints still count.

#ifndef FSQLSHM_FUZZ_MUTATOR_H_
#define FSQLSHM_FUZZ_MUTATOR_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/wire.h"
#include "harness/random.h"

namespace fsqlshm::fuzz {

/// The engine's mutator (LLVMFuzzerMutate): changes the first `size` of `max_size` bytes in place
/// and returns the new size.
using ByteMutator = std::size_t (*)(std::uint8_t* data, std::size_t size, std::size_t max_size);

/// Changes the first `size` bytes of `buffer` and returns the new size, at most buffer.size().
using Mutate = std::size_t (*)(MutableBytes buffer, std::size_t size, std::uint32_t seed,
                               ByteMutator engine);

/// Writes a mix of two inputs to `out` and returns its size, at most out.size().
using Cross = std::size_t (*)(Bytes first, Bytes second, MutableBytes out, std::uint32_t seed);

/// The same seed gives the same mutation everywhere.
using harness::Random;

/// A value at which 64-bit code tends to break: 0, all ones, powers of two and their neighbours,
/// the edges of the transaction id domain, tagged words, page sizes, small numbers.
[[nodiscard]] std::uint64_t boundary_value(Random& random) noexcept;

/// A neighbour of `value`: a bit flipped, a little added, bytes reversed, or a boundary value.
[[nodiscard]] std::uint64_t tweak(std::uint64_t value, Random& random) noexcept;

/// Headers: mutates fields and re-seals; one result in sixteen is left without a valid seal.
std::size_t mutate_header(MutableBytes buffer, std::size_t size, std::uint32_t seed,
                          ByteMutator engine);
/// Takes each field from either input.
std::size_t cross_headers(Bytes first, Bytes second, MutableBytes out, std::uint32_t seed);

/// Inputs that are a fixed head followed by records of one size.
struct RecordShape {
  std::size_t head_size = 0;
  std::size_t record_size = 0;
  std::size_t max_records = 0;

  [[nodiscard]] constexpr std::size_t max_size() const {
    return head_size + record_size * max_records;
  }
};

/// Changes, inserts, removes, doubles, moves and swaps whole records and 8-byte words in them.
std::size_t mutate_records(const RecordShape& shape, MutableBytes buffer, std::size_t size,
                           std::uint32_t seed, ByteMutator engine);
/// The first records of one input, then those of the other.
std::size_t cross_records(const RecordShape& shape, Bytes first, Bytes second, MutableBytes out,
                          std::uint32_t seed);

/// The same as a target has them.
template <const RecordShape& kShape>
std::size_t mutate_records(MutableBytes buffer, std::size_t size, std::uint32_t seed,
                           ByteMutator engine) {
  return mutate_records(kShape, buffer, size, seed, engine);
}
template <const RecordShape& kShape>
std::size_t cross_records(Bytes first, Bytes second, MutableBytes out, std::uint32_t seed) {
  return cross_records(kShape, first, second, out, seed);
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_MUTATOR_H_
