#include <boost/interprocess/sync/interprocess_mutex.hpp>
#include <mutex>

#include "locks.h"
#include "subjects.h"

namespace fsqlshm::bench {
namespace {

constexpr SubjectFacts kFacts{
    .name = "boost_mutex",
    .source = "Boost.Interprocess, interprocess_mutex",
    .call = "scoped_lock, as std::lock_guard",
    .adds = "any number of values of any type; any number of publishers",
    .lacks = "readers wait for each other; a death with the lock held blocks all for good",
    .peer = true};

[[maybe_unused]] const bool kAdded =
    add_subject<Locked<boost::interprocess::interprocess_mutex, std::lock_guard, kFacts>>();

}  // namespace
}  // namespace fsqlshm::bench
