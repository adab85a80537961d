// Apart from subject.cc, which fuzz targets link without the command line of programs.

#include "harness/subject.h"

namespace fsqlshm::harness {

Option subject_option(std::string& path) {
  return {.name = "--subject",
          .target = &path,
          .help = "attack the shared object PATH.so, which exports fsqlshm.h",
          .check = existing_file()};
}

}  // namespace fsqlshm::harness
