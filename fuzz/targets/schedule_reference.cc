// The schedule target on the published protocol: it must find that protocol's defects.
//
//   --only=D3  stops at this defect alone and ignores the others (D1 to D5). Looking for D1 lets
//              publishers in without the publication lock, as the published protocol does.

#include <array>

#include "fuzz/schedule_target.h"

namespace fsqlshm::fuzz {
namespace {

bool option(std::string_view argument) {
  constexpr std::array<std::string_view, 5> kDefects = {"D1", "D2", "D3", "D4", "D5"};
  if (!argument.starts_with("--only=")) return false;
  argument.remove_prefix(7);
  for (const std::string_view defect : kDefects) {
    if (argument != defect) continue;
    schedule_options().only = defect;
    schedule_options().publication_lock = defect != "D1";
    return true;
  }
  return false;
}

}  // namespace

const Target& target() {
  schedule_options().free_is_always_clean = false;
  static constexpr Target kTarget = {
      .name = "schedule_reference",
      .max_size = kScheduleShape.head_size + kScheduleShape.max_records,
      .run = run_schedule<ReferenceProtocol>,
      .mutate = mutate_schedule,
      .cross = cross_schedules,
      .units = schedule_units,
      .head_size = kScheduleShape.head_size,
      .record_size = kScheduleShape.record_size,
      .explain = explain_schedule<ReferenceProtocol>,
      .option = option,
  };
  return kTarget;
}

}  // namespace fsqlshm::fuzz
