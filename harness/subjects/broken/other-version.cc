// Is of an interface that does not exist yet.

#include "fsqlshm.h"

extern "C" uint32_t fsqlshm_interface_version() { return FSQLSHM_INTERFACE_VERSION + 1; }
