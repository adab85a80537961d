// Every consistent execution graph of a small program, by trying everything: what the explorer is
// compared with. It shares nothing with it but the program: relations are matrices, and the axioms are
// those of the paper, word by word.

#ifndef FSQLSHM_RELACY_RC11_BRUTE_FORCE_H_
#define FSQLSHM_RELACY_RC11_BRUTE_FORCE_H_

#include <set>
#include <string>

#include "relacy/rc11/program.h"

namespace fsqlshm::rc11 {

/// Graph::key of each graph in which every thread has ended, or waits for what no store will bring.
/// REQUIRES: 64 events at most, the first values included.
[[nodiscard]] std::set<std::string> all_graphs(const Program& program);

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_BRUTE_FORCE_H_
