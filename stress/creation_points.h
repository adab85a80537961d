// Death before each system call of creating a file.

#ifndef FSQLSHM_STRESS_CREATION_POINTS_H_
#define FSQLSHM_STRESS_CREATION_POINTS_H_

#include <filesystem>

#include "harness/result.h"

namespace fsqlshm::stress {

/// Part of run_crash_points; works in `folder`.
void run_creation_points(const std::filesystem::path& folder, harness::Result& result);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_CREATION_POINTS_H_
