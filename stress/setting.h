// What every command of fsqlshm-stress is told.

#ifndef FSQLSHM_STRESS_SETTING_H_
#define FSQLSHM_STRESS_SETTING_H_

#include <cstdint>
#include <filesystem>
#include <optional>

#include "harness/subject.h"

namespace fsqlshm::stress {

struct Setting {
  bool reference = false;       ///< attack this protocol, not `hardened`
  bool expect_defects = false;  ///< with it: its known defects become "expected" findings
  std::optional<harness::Subject> subject{};  ///< attack this, not a protocol of ours
  std::filesystem::path dir{};                ///< where files lie; empty: tmpfs
  std::uint64_t seed = 0;
  bool quiet = false;
};

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_SETTING_H_
