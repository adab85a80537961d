#include "stress/tsan.h"

extern "C" {
// Provided by the sanitizer's runtime if there is one.
[[gnu::weak]] void __sanitizer_set_report_path(const char* path);

// Read by TSan when it starts. No suppressions: what it reports counts.
[[gnu::used]] const char* __tsan_default_options() {
  return "halt_on_error=1:exitcode=66:report_signal_unsafe=1";
}
}

namespace fsqlshm::stress {

void send_tsan_reports_to(const std::filesystem::path& path) {
  if (kTsan && __sanitizer_set_report_path != nullptr) __sanitizer_set_report_path(path.c_str());
}

}  // namespace fsqlshm::stress
