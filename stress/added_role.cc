#include "stress/added_role.h"

namespace fsqlshm::stress {

std::vector<AddedRole> added_roles() { return {}; }

}  // namespace fsqlshm::stress
