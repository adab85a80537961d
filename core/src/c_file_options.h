// Options of the C interface as those of the library.

#ifndef FSQLSHM_SRC_C_FILE_OPTIONS_H_
#define FSQLSHM_SRC_C_FILE_OPTIONS_H_

#include "fsqlshm/shm_file_options.h"
#include "fsqlshm_file.h"

namespace fsqlshm::c_interface {

/// Fills in `converted`; leaves the defaults where `options` is null. Fails with
/// FSQLSHM_INVALID_ARGUMENT for a size that is unknown and with FSQLSHM_INVALID_PAGE_SIZE.
[[nodiscard]] fsqlshm_code convert(const fsqlshm_file_options* options, ShmFileOptions& converted,
                                   fsqlshm_error* error);

}  // namespace fsqlshm::c_interface

#endif  // FSQLSHM_SRC_C_FILE_OPTIONS_H_
