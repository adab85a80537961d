#include "step.h"

#include <algorithm>

namespace fsqlshm::relacy {

std::string_view function_name(std::string_view signature) noexcept {
  const std::string_view name = signature.substr(0, signature.find('('));
  const std::size_t start = name.find_last_of(": ");
  return start == std::string_view::npos ? name : name.substr(start + 1);
}

void OrderWeakening::weaken(const std::source_location& where, Op op, Field field,
                            std::memory_order& order, std::memory_order& failure) {
  const Weakening& weak = *weakening_;
  std::memory_order& present = weak.failure ? failure : order;
  const Site& site = weak.site;
  if (site.op != op || weak.from() != present || (site.fields >> atomic_index(field) & 1U) == 0 ||
      source_name(where.file_name()) != site.file ||
      function_name(where.function_name()) != site.function) {
    return;
  }
  // A function comes by its operations in their order, so the first that ran are the first in it.
  const auto line = std::ranges::find_if(
      lines_, [&](unsigned known) { return known == where.line() || known == 0; });
  if (line == lines_.end()) return;
  *line = where.line();
  if (line - lines_.begin() != site.earlier) return;
  present = weak.to;
  met_ = true;
}

}  // namespace fsqlshm::relacy
