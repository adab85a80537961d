#include "subjects.h"

namespace fsqlshm::relacy {

ScenarioList reference_scenarios() { return all_scenarios<ReferenceProtocol>(); }

}  // namespace fsqlshm::relacy
