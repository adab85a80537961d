// The catalogue: every event at every moment of every operation.

#ifndef FSQLSHM_STRESS_WORLD_CATALOGUE_H_
#define FSQLSHM_STRESS_WORLD_CATALOGUE_H_

#include <filesystem>
#include <string>
#include <vector>

#include "harness/jobs.h"
#include "harness/result.h"
#include "harness/run.h"

namespace fsqlshm::world {

struct CatalogueSetting {
  std::filesystem::path dir{};            ///< where files lie; empty: tmpfs
  unsigned jobs = harness::processors();  ///< processes
  harness::Shard shard{};
  std::uint64_t seed = 1;  ///< chooses the moments of a quick run
  bool quick = false;      ///< one moment for each event of each operation
  bool quiet = false;
  std::vector<std::string> only{};        ///< "EVENT:OPERATION", either may be empty for all
  std::string mutant{};                   ///< whose lies are told; ends with the first finding
  std::string program = "fsqlshm-world";  ///< for replay commands
};

/// Adds to `result`:
///   counts.events, operations, moments, cells; skipped: events that cannot be done here, one for
///       each operation that they would apply to
///   details.world       list of {event, operation, cells, found}
///   details.skipped     {event: why}
void run_catalogue(const CatalogueSetting& setting, harness::Result& result);

/// One cell, "EVENT:OPERATION:MOMENT" or "...:MOMENT+MOMENT" for two calls that fail, with a trace on
/// standard output.
void replay_cell(const CatalogueSetting& setting, const std::string& cell, harness::Result& result);

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_CATALOGUE_H_
