// The schedule target over any protocol.

#ifndef FSQLSHM_FUZZ_SCHEDULE_TARGET_H_
#define FSQLSHM_FUZZ_SCHEDULE_TARGET_H_

#include <optional>
#include <string>

#include "fuzz/mutator.h"
#include "fuzz/schedule.h"
#include "fuzz/simulation.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {

/// The options of this program, read from its command line.
inline WorldOptions& schedule_options() {
  static WorldOptions options;
  return options;
}

template <class Protocol>
std::optional<Failure> run_schedule(Bytes input) {
  return simulate<Protocol>(input, schedule_options());
}

template <class Protocol>
std::string explain_schedule(Bytes input) {
  std::string trace;
  static_cast<void>(simulate<Protocol>(input, schedule_options(), &trace));
  return trace;
}

inline std::size_t mutate_schedule(MutableBytes buffer, std::size_t size, std::uint32_t seed,
                                   ByteMutator engine) {
  return mutate_records(kScheduleShape, buffer, size, seed, engine);
}

inline std::size_t cross_schedules(Bytes first, Bytes second, MutableBytes out,
                                   std::uint32_t seed) {
  return cross_records(kScheduleShape, first, second, out, seed);
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_SCHEDULE_TARGET_H_
