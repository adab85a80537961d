#include <mutex>

#include "locks.h"
#include "subjects.h"

namespace fsqlshm::bench {
namespace {

constexpr SubjectFacts kFacts{.name = "std_mutex",
                              .source = "std::mutex",
                              .call = "std::lock_guard",
                              .adds = "any number of values of any type; any number of publishers",
                              .lacks = "readers wait for each other; one process",
                              .across_processes = false};

[[maybe_unused]] const bool kAdded = add_subject<Locked<std::mutex, std::lock_guard, kFacts>>();

}  // namespace
}  // namespace fsqlshm::bench
