#include "harness/scenarios/bodies.h"

namespace fsqlshm::harness {

Body check_for_dead(Check check, std::string_view evicted) {
  return [=](Header& h) {
    const unsigned before = h.writer().evictions();
    check(h);
    if (h.writer().evictions() > before) h.reach(evicted);
  };
}

Body check_then_follow(Check check) {
  return [check](Header& h) {
    check(h);
    if (h.writer().evictions() > 0) h.reach("evicted");
    if (h.writer().takeovers() > 0) h.reach("takeover");
    follow(h);
  };
}

void follow(Header& h) {
  if (h.acquire(2, kLater) && h.execution().deaths() > 0) h.reach("followed");
}

void finish_after_deaths(Header& h) {
  if (h.execution().deaths() > 0) h.reach("death repaired");
  h.finish_writer();
}

}  // namespace fsqlshm::harness
