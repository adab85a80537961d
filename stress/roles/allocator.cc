#include "stress/roles/shared_checks.h"

namespace fsqlshm::stress {
namespace {

class Allocator {
 public:
  void operator()(auto& me) {
    for (int i = 0; i < 64; ++i) {
      const auto id = take_id(me, last_, 0);
      if (id && id->get() % 1024 == 0) me.record("txn id", id->get());
    }
  }

 private:
  std::uint64_t last_ = 0;
};

[[maybe_unused]] const bool kAdded = add_role(role<Allocator>({
    .name = "allocator",
    .does = "allocate transaction ids",
    .counts = {"txn_ids"},
    .wants = {{.count = "txn_ids"}},
    .takes_ids = true,
}));

}  // namespace
}  // namespace fsqlshm::stress
