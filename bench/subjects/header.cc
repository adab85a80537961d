#include "header.h"

#include "subjects.h"

namespace fsqlshm::bench {
namespace {

[[maybe_unused]] const bool kAdded = add_subject<Hardened>() && add_subject<Reference>();

}  // namespace
}  // namespace fsqlshm::bench
