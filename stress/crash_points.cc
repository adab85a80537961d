#include "stress/crash_points.h"
#include "stress/outcomes.h"
#include "stress/recovery.h"
namespace fsqlshm::stress {
void run_crash_points(const CrashPointsConfig&, harness::Result&) {}
void expect_defects(harness::Result&, std::initializer_list<std::string_view>) {}
void run_outcomes(const OutcomesConfig&, harness::Result&) {}
void run_recovery(const RecoveryConfig&, harness::Result&) {}
}
