// The optional function of the C interface for protocols that can clear a writer: see
// c_header_functions.h, which a source includes first.

#ifndef FSQLSHM_SRC_C_HEADER_CLEAR_H_
#define FSQLSHM_SRC_C_HEADER_CLEAR_H_

#include "c_header_functions.h"

namespace fsqlshm::c_interface {

#pragma GCC visibility push(default)
// NOLINTBEGIN(misc-definitions-in-headers): a source includes it once, which is what it is for
extern "C" bool fsqlshm_header_clear_serialized_writer(fsqlshm_header* header, uint64_t state,
                                                       fsqlshm_process self) {
  return layout_of(header, self).clear_serialized_writer(state);
}
// NOLINTEND(misc-definitions-in-headers)
#pragma GCC visibility pop

}  // namespace fsqlshm::c_interface

#endif  // FSQLSHM_SRC_C_HEADER_CLEAR_H_
