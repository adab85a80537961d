// The seam whose atomic steps a tracer sees.

#ifndef FSQLSHM_STRESS_WORLD_MARKED_WORDS_H_
#define FSQLSHM_STRESS_WORLD_MARKED_WORDS_H_

#include <cstdint>

#include "fsqlshm/shm_file.h"
#include "harness/intercepted_words.h"
#include "stress/world/tracer.h"

namespace fsqlshm::world {

struct StepMarks {
  static void before(const harness::AtomicStep& step) {
    mark(Marker::kStep, static_cast<std::uint64_t>(step.field));
  }
};
using MarkedWords = harness::InterceptedWords<MappedWords, StepMarks>;
using MarkedFile = BasicShmFile<HardenedProtocol, MarkedWords>;

}  // namespace fsqlshm::world

#endif  // FSQLSHM_STRESS_WORLD_MARKED_WORDS_H_
