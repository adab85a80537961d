// The schedule target on the published protocol: it must find that protocol's defects.
//
//   --only=D3  stops at this defect alone and ignores the others (D1 to D6). Looking for D1 lets
//              publishers in without the publication lock, as the published protocol does.

#include <array>

#include "fuzz/schedule_target.h"

namespace fsqlshm::fuzz {
namespace {

WorldOptions g_options{.strict = false};

// D1, D2 and D6 are found in a second or two: their kept inputs are enough in a campaign.
constexpr std::array<KnownFault, 6> kFaults = {{
    {.name = "D1", .option = "--only=D1", .searched = false},
    {.name = "D2", .option = "--only=D2", .searched = false},
    {.name = "D3", .option = "--only=D3"},
    {.name = "D4", .option = "--only=D4"},
    {.name = "D5", .option = "--only=D5"},
    {.name = "D6", .option = "--only=D6", .searched = false},
}};

bool option(std::string_view argument) {
  for (const KnownFault& fault : kFaults) {
    if (argument != fault.option) continue;
    g_options.only = fault.name;
    g_options.publication_lock = fault.name != "D1";
    return true;
  }
  return false;
}

}  // namespace

constinit const Target kTarget = [] {
  Target target = schedule_target<ReferenceProtocol, g_options>("schedule_reference");
  target.description = "schedule on the published protocol, whose defects it must find";
  target.option = option;
  target.seeds_of = "schedule";
  target.known_faults = kFaults;
  return target;
}();

}  // namespace fsqlshm::fuzz
