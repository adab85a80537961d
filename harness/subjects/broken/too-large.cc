// Wants more memory than a header may take.

#include "fsqlshm.h"

extern "C" size_t fsqlshm_header_size() { return 5000; }
