// A fuzz target: any four bytes as a page size, against the rule in plain words.

#include <cstring>

#include "fsqlshm/types.h"
#include "fuzz/stats.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {

static std::optional<Failure> run(Bytes input) {
  static Counter accepted("accepted");
  static Counter refused("refused");
  std::uint32_t bytes = 0;
  if (input.size() < sizeof(bytes)) return std::nullopt;
  std::memcpy(&bytes, input.data(), sizeof(bytes));
  bool power_of_two = false;
  for (std::uint32_t size = 512; size <= 65536; size *= 2) power_of_two |= bytes == size;
  (power_of_two ? accepted : refused).add();
  if (PageSize::from_raw(bytes).has_value() == power_of_two) return std::nullopt;
  return Failure{.property = "page size: a power of two from 512 to 65536"};
}

static constexpr std::string_view kReaches[] = {"accepted", "refused"};

constinit const Target kTarget = {.name = "page_size",
                                  .description = "any four bytes as a page size; a plain rule",
                                  .max_size = 8,
                                  .run = run,
                                  .reaches = kReaches};

}  // namespace fsqlshm::fuzz
