// Small functions of liburcu may be compiled into programs of any licence (LGPL 2.1, section 5).
#define _LGPL_SOURCE  // NOLINT(bugprone-reserved-identifier): the name is that of liburcu
#define URCU_API_MAP  // its calls are known by their general names
#include <urcu/urcu-qsbr.h>

#include "urcu.h"

namespace fsqlshm::bench {
namespace {

constexpr SubjectFacts kFacts{
    .name = "urcu_qsbr",
    .source = "liburcu, flavour qsbr",
    .call = "rcu_dereference, rcu_quiescent_state each 1024 calls; rcu_assign_pointer, call_rcu",
    .adds = "any number of values of any type; readers never wait and never retry",
    .lacks =
        "one process; threads register, and say again and again that they read nothing; one "
        "publisher at a time; memory is freed later, by a thread",
    .across_processes = false,
    .peer = true};

// Each 1024 calls, as liburcu's own tests do.
[[maybe_unused]] const bool kAdded = add_subject<Urcu<1024, kFacts>>();

}  // namespace
}  // namespace fsqlshm::bench
