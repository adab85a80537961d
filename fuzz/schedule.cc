#include "fuzz/schedule.h"

#include <algorithm>

namespace fsqlshm::fuzz {
namespace {

// Weights: most defects need an acquire, a release and a check, so these come up most often.
constexpr std::array<Op, 16> kOps = {
    Op::kNothing,   Op::kAcquire,        Op::kAcquire,        Op::kAcquireLeased,
    Op::kRelease,   Op::kRelease,        Op::kClear,          Op::kCheckExclusion,
    Op::kCheck,     Op::kCheckExclusion, Op::kCheckCertainly, Op::kPublish,
    Op::kReconcile, Op::kReadSnapshot,   Op::kReadSnapshot,   Op::kAlloc};

// How long a turn is: 1 to 24 steps twice over, so that every step of an operation (5 to 40) is
// easily hit, and a few long ones that finish whatever is under way.
constexpr std::array<int, 54> kTurns = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,  13, 14,
                                        15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 1,  2,   3,  4,
                                        5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,  17, 18,
                                        19, 20, 21, 22, 23, 24, 30, 36, 40, 48, 64, 1000};

constexpr std::uint8_t kFirstKill = 0xd8;
constexpr std::uint8_t kFirstTimePasses = 0xf8;
static_assert(kTurns.size() * kMaxThreads == kFirstKill);

constexpr std::size_t kOpsOffset = 8;

}  // namespace

Op decode_op(std::uint8_t byte) noexcept { return kOps[byte % kOps.size()]; }

ScheduleInput decode_schedule(Bytes input) noexcept {
  std::array<std::uint8_t, kScheduleShape.head_size> head{};
  std::copy_n(input.begin(), std::min(input.size(), head.size()), head.begin());
  ScheduleInput schedule;
  schedule.threads = 2 + head[0] % 3;
  for (std::size_t t = 0; t < kMaxThreads; ++t) {
    schedule.process[t] = static_cast<std::uint8_t>((head[1] >> (2 * t)) & 3);
    const auto named = static_cast<harness::Named>((head[2] >> (2 * t)) & 3);
    if (named <= harness::Named::kNoPid) schedule.named[t] = named;
    for (std::size_t i = 0; i < kOpsPerThread; ++i) {
      schedule.ops[t][i] = decode_op(head[kOpsOffset + t * kOpsPerThread + i]);
    }
  }
  return schedule;
}

Decision decode_decision(std::uint8_t byte) noexcept {
  if (byte >= kFirstTimePasses) return {.kind = Decision::kTimePasses};
  if (byte >= kFirstKill) return {.kind = Decision::kKill, .thread = byte % kMaxThreads};
  return {
      .kind = Decision::kRun, .thread = byte % kMaxThreads, .steps = kTurns[byte / kMaxThreads]};
}

Bytes decisions(Bytes input) noexcept {
  if (input.size() <= kScheduleShape.head_size) return {};
  const Bytes all = input.subspan(kScheduleShape.head_size);
  return all.first(std::min(all.size(), kScheduleShape.max_records));
}

std::vector<Unit> schedule_units(Bytes input) {
  static constexpr Fields kHead[] = {{"thread count"},
                                     {"processes"},
                                     {"names"},
                                     {"reserved", 1, kOpsOffset - 3},
                                     {"operation", 1, kMaxThreads * kOpsPerThread}};
  static constexpr Fields kRecord[] = {{"decision"}};
  return units_of(input, kHead, kRecord);
}

}  // namespace fsqlshm::fuzz
