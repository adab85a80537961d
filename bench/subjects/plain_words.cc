#include "plain_words.h"

#include "subjects.h"

namespace fsqlshm::bench {
namespace {

[[maybe_unused]] const bool kAdded = add_subject<PlainWords<3>>() && add_subject<PlainWords<5>>();

}  // namespace
}  // namespace fsqlshm::bench
