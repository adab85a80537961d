// The input is the interleaving: virtual threads run the hardened protocols one atomic step at a
// time, and die at any of them.

#include "fuzz/schedule_target.h"

namespace fsqlshm::fuzz {
namespace {

// Two writers, a dead claimer, an eviction, publishers and readers, allocations.
std::vector<Seed> seeds(const std::filesystem::path& /*golden*/) {
  constexpr Op kAcquire = Op::kAcquire, kLeased = Op::kAcquireLeased, kRelease = Op::kRelease,
               kExclusion = Op::kCheckExclusion, kCheck = Op::kCheck, kPublish = Op::kPublish,
               kRead = Op::kReadSnapshot, kAlloc = Op::kAlloc;
  constexpr auto run = encode_run;
  constexpr int kToTheEnd = 1000;
  constexpr std::uint8_t kOwn = 0b11100100;  // a process for each thread
  constexpr std::uint8_t kShared = 0;
  const std::uint8_t kill_0 = encode_kill(0);
  const std::uint8_t later = kTimePassesByte;
  const auto make = encode_schedule;
  return {
      {"two-writers", make(kShared, {{kLeased, kRelease}, {kLeased, kRelease, kAcquire}},
                           {run(0, 11), run(1, 6), run(0, 3), run(1, 24)})},
      {"dead-claimer",
       make(kOwn, {{kAcquire}, {kExclusion, kAcquire, kRelease}}, {run(0, 3), kill_0, run(1, 24)})},
      {"eviction", make(kOwn, {{kLeased, kRelease}, {kExclusion, kLeased, kCheck, kRelease}},
                        {run(0, 7), later, run(1, 20), run(0, 24)})},
      // A check that meets the zeroes of a release, and one that judged an owner who then left.
      {"zeroes", make(kOwn, {{kLeased, kRelease}, {kExclusion}},
                      {run(0, 7), run(1, 2), run(0, 24), run(1, 24)})},
      {"left-meanwhile", make(kOwn, {{kLeased, kRelease}, {kExclusion}},
                              {run(0, 7), later, run(1, 5), run(0, 24), run(1, 24)})},
      // One release takes as long as another thread of the process needs for two owners.
      {"many-owners", make(kShared, {{kAcquire, kRelease}, {kAcquire, kRelease, kAcquire}},
                           {run(0, 11), run(1, 24), run(1, 24), run(0, 24)})},
      // A writer takes over from one whose lease is out, and another thread judges.
      {"handover",
       make(kOwn, {{kLeased, kRelease}, {kLeased, kRelease}, {kExclusion, kExclusion}},
            {run(0, 7), later, run(0, 6), run(1, 5), run(2, kToTheEnd), run(0, 24), run(1, 24)})},
      {"snapshots", make(kOwn, {{kPublish, kPublish}, {kPublish}, {kRead, kRead}},
                         {run(0, 3), run(2, 3), run(1, 4), run(0, 5), run(2, 2), kill_0})},
      {"torn", make(kOwn, {{kPublish}, {kRead}}, {run(1, 3), run(0, 24), run(1, 24)})},
      {"busy",
       make(kOwn, {{kAcquire, kRelease}, {kExclusion}}, {run(0, 7), run(1, 24), run(0, 24)})},
      {"ids", make(kOwn, {{kAlloc, kAlloc}, {kAlloc}, {kAlloc}, {kAlloc}},
                   {run(0, 2), run(1, 2), run(2, 2), run(3, 24)})},
  };
}

}  // namespace

const Target& target() {
  static constexpr std::string_view kReaches[] = {"acquired",
                                                  "refused",
                                                  "released",
                                                  "busy",
                                                  "owner_had_lost_it",
                                                  "cleared_a_stale_writer",
                                                  "deaths_in_an_operation",
                                                  "preemptions_in_an_operation",
                                                  "torn_reads_refused",
                                                  "waited_for_the_publication_lock"};
  static constexpr Target kTarget = [] {
    Target target = schedule_target<HardenedProtocol>("schedule");
    target.description = "the interleaving of up to four threads, deaths included; P1 to P6";
    target.seeds = seeds;
    target.reaches = kReaches;
    target.weight = 3;
    return target;
  }();
  return kTarget;
}

}  // namespace fsqlshm::fuzz
