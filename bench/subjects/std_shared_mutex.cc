#include <mutex>
#include <shared_mutex>

#include "locks.h"
#include "subjects.h"

namespace fsqlshm::bench {
namespace {

constexpr SubjectFacts kFacts{
    .name = "std_shared_mutex",
    .source = "std::shared_mutex",
    .call = "std::shared_lock, std::lock_guard",
    .adds = "any number of values of any type; any number of publishers; readers together",
    .lacks = "readers can starve the publisher; one process",
    .across_processes = false};

[[maybe_unused]] const bool kAdded =
    add_subject<Locked<std::shared_mutex, std::shared_lock, kFacts>>();

}  // namespace
}  // namespace fsqlshm::bench
