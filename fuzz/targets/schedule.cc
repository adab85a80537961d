// The input is the interleaving: virtual threads run the hardened protocols one atomic step at a
// time, and die at any of them.

#include "fuzz/schedule_target.h"

namespace fsqlshm::fuzz {

const Target& target() {
  static constexpr Target kTarget = {
      .name = "schedule",
      .max_size = kScheduleShape.head_size + kScheduleShape.max_records,
      .run = run_schedule<HardenedProtocol>,
      .mutate = mutate_schedule,
      .cross = cross_schedules,
      .units = schedule_units,
      .head_size = kScheduleShape.head_size,
      .record_size = kScheduleShape.record_size,
      .explain = explain_schedule<HardenedProtocol>,
  };
  return kTarget;
}

}  // namespace fsqlshm::fuzz
