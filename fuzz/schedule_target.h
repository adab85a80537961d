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

// One byte is one decision: a death, time that passes, a turn to the end.
inline constexpr DictionaryEntry kScheduleDictionary[] = {
    {"kill_0", "\xd8"}, {"kill_1", "\xd9"}, {"time", "\xf8"},
    {"end_0", "\xd4"},  {"end_1", "\xd5"},  {"expire_and_run", "\xf8\xd5"}};

template <class Protocol>
[[nodiscard]] constexpr Target schedule_target(std::string_view name) {
  return {
      .name = name,
      .max_size = kScheduleShape.max_size(),
      .run = [](Bytes input) { return simulate<Protocol>(input, schedule_options()); },
      .mutate = mutate_records<kScheduleShape>,
      .cross = cross_records<kScheduleShape>,
      .units = schedule_units,
      .records = kScheduleShape,
      .explain =
          [](Bytes input) {
            std::string trace;
            static_cast<void>(simulate<Protocol>(input, schedule_options(), &trace));
            return trace;
          },
      .dictionary = kScheduleDictionary,
  };
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_SCHEDULE_TARGET_H_
