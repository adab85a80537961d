// Has an alignment that is none.

#include "fsqlshm.h"

extern "C" size_t fsqlshm_header_alignment() { return 24; }
