#include "fsqlshm/wire_format.h"

namespace fsqlshm {

std::string_view field_name(Field field) noexcept {
  for (const FieldSpan& span : kFields) {
    if (span.offset == offset_of(field)) return span.name;
  }
  return "unknown";
}

}  // namespace fsqlshm
