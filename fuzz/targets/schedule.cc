// The input is the interleaving: virtual threads run the hardened protocols one atomic step at a
// time, and die at any of them.

#include "fuzz/schedule_target.h"

namespace fsqlshm::fuzz {

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

constinit const Target kTarget = [] {
  Target target = schedule_target<HardenedProtocol>("schedule");
  target.description = "the interleaving of up to four threads, deaths included; P1 to P6";
  target.reaches = kReaches;
  target.weight = 3;
  return target;
}();

}  // namespace fsqlshm::fuzz
