// Every subject, once.

#ifndef FSQLSHM_BENCH_COMPARATORS_ALL_H_
#define FSQLSHM_BENCH_COMPARATORS_ALL_H_

#include "comparators/double_copy.h"
#include "comparators/fence_seqlock.h"
#include "comparators/header.h"
#include "comparators/left_right.h"
#include "comparators/locks.h"
#include "comparators/plain_words.h"

namespace fsqlshm::bench {

template <class... S>
  requires(Subject<S> && ...)
struct SubjectList {};

using AllSubjects = SubjectList<Hardened, Reference, FenceSeqlock, PlainWords<3>, PlainWords<5>,
                                StdMutex, StdSharedMutex, PthreadRwlock, DoubleCopy, LeftRight>;

/// Calls visit.template operator()<S>() for every subject.
template <class Visit, class... S>
void for_each_subject(SubjectList<S...>, Visit&& visit) {
  (visit.template operator()<S>(), ...);
}

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_COMPARATORS_ALL_H_
