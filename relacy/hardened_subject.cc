#include "subjects.h"

namespace fsqlshm::relacy {

ScenarioList hardened_scenarios() { return all_scenarios<HardenedProtocol>(); }

}  // namespace fsqlshm::relacy
