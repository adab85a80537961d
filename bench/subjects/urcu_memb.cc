// Small functions of liburcu may be compiled into programs of any licence (LGPL 2.1, section 5).
#define _LGPL_SOURCE  // NOLINT(bugprone-reserved-identifier): the name is that of liburcu
#define URCU_API_MAP  // its calls are known by their general names
#include <urcu/urcu-memb.h>

#include "urcu.h"

namespace fsqlshm::bench {
namespace {

constexpr SubjectFacts kFacts{
    .name = "urcu_memb",
    .source = "liburcu, flavour memb",
    .call = "rcu_read_lock, rcu_dereference; rcu_assign_pointer, call_rcu",
    .adds = "any number of values of any type; readers never wait and never retry",
    .lacks =
        "one process; threads register; one publisher at a time; memory is freed later, by a "
        "thread",
    .across_processes = false,
    .peer = true};

[[maybe_unused]] const bool kAdded = add_subject<Urcu<0, kFacts>>();

}  // namespace
}  // namespace fsqlshm::bench
