#include "subjects.h"

namespace fsqlshm::bench {

std::vector<AnySubject>& all_subjects() {
  static std::vector<AnySubject> subjects;
  return subjects;
}

}  // namespace fsqlshm::bench
