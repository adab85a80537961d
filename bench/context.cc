#include "context.h"

#include <fmt/format.h>

#include "background.h"

namespace fsqlshm::bench {

nlohmann::json context() {
  const PinScope restore(allowed_cpus().front());
#if defined(__clang__)
  const std::string compiler = fmt::format("clang {}", __clang_version__);
#else
  const std::string compiler = fmt::format("gcc {}", __VERSION__);
#endif
#if defined(NDEBUG)
  const char* const build_type = "release";
#else
  const char* const build_type = "debug";
#endif
  return {{"compiler", compiler},
          {"build_type", build_type},
          {"cpus", allowed_cpus()},
          {"pinned", pin_to(allowed_cpus().front())}};
}

}  // namespace fsqlshm::bench
