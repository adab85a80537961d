// Programs of API calls on a header, on both protocols, against a sequential model.

#include "fuzz/run_program.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {
namespace {

std::optional<Failure> run(Bytes input) {
  return run_program<ReferenceProtocol, HardenedProtocol>(input);
}

std::size_t mutate(MutableBytes buffer, std::size_t size, std::uint32_t seed, ByteMutator engine) {
  return mutate_records(kProgramShape, buffer, size, seed, engine);
}

std::size_t cross(Bytes first, Bytes second, MutableBytes out, std::uint32_t seed) {
  return cross_records(kProgramShape, first, second, out, seed);
}

}  // namespace

const Target& target() {
  static constexpr Target kTarget = {
      .name = "operations",
      .max_size = kProgramShape.head_size + kProgramShape.record_size * kProgramShape.max_records,
      .run = run,
      .mutate = mutate,
      .cross = cross,
      .units = program_units,
      .head_size = kProgramShape.head_size,
      .record_size = kProgramShape.record_size,
      .explain = explain_program,
  };
  return kTarget;
}

}  // namespace fsqlshm::fuzz
