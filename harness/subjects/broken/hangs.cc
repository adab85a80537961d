// Never returns from a call.

#include "fsqlshm.h"

extern "C" void fsqlshm_header_publish_snapshot(fsqlshm_header*, fsqlshm_snapshot) {
  for (volatile bool forever = true; forever;) {
  }
}
