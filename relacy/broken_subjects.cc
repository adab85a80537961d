#include "subjects.h"

namespace fsqlshm::relacy {

void add_broken_subjects(std::vector<Subject>& /*subjects*/) {}

}  // namespace fsqlshm::relacy
