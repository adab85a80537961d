// ThreadSanitizer in processes that are forked and killed: a report must end the process with a
// status that its parent knows, and leave its text where the parent finds it.

#ifndef FSQLSHM_STRESS_TSAN_H_
#define FSQLSHM_STRESS_TSAN_H_

#include <filesystem>

namespace fsqlshm::stress {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool kTsan = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool kTsan = true;
#else
inline constexpr bool kTsan = false;
#endif
#else
inline constexpr bool kTsan = false;
#endif

/// Reports of this process go to `path`.PID; nothing without TSan.
void send_tsan_reports_to(const std::filesystem::path& path);

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_TSAN_H_
