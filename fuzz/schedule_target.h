// The schedule target over any protocol.

#ifndef FSQLSHM_FUZZ_SCHEDULE_TARGET_H_
#define FSQLSHM_FUZZ_SCHEDULE_TARGET_H_

#include <optional>
#include <string>

#include "fuzz/mutator.h"
#include "fuzz/schedule.h"
#include "fuzz/target.h"
#include "fuzz/world.h"

namespace fsqlshm::fuzz {

// One byte is one decision: a death, time that passes, a turn to the end.
inline constexpr DictionaryEntry kScheduleDictionary[] = {
    {"kill_0", "\xd8"}, {"kill_1", "\xd9"}, {"time", "\xf8"},
    {"end_0", "\xd4"},  {"end_1", "\xd5"},  {"expire_and_run", "\xf8\xd5"}};

/// What the hardened protocol has to hold.
inline constexpr WorldOptions kEveryRule;

/// `kOptions` may be changed by the command line.
template <class Protocol, const WorldOptions& kOptions = kEveryRule>
[[nodiscard]] constexpr Target schedule_target(std::string_view name) {
  return {
      .name = name,
      .max_size = kScheduleShape.max_size(),
      .run = [](Bytes input) { return simulate<Protocol>(input, kOptions); },
      .mutate = mutate_records<kScheduleShape>,
      .cross = cross_records<kScheduleShape>,
      .units = schedule_units,
      .records = kScheduleShape,
      .explain =
          [](Bytes input) {
            std::string trace;
            static_cast<void>(simulate<Protocol>(input, kOptions, &trace));
            return trace;
          },
      .dictionary = kScheduleDictionary,
  };
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_SCHEDULE_TARGET_H_
