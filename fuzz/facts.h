// What a program of a target has to say: about the target, about a failure, about a run.

#ifndef FSQLSHM_FUZZ_FACTS_H_
#define FSQLSHM_FUZZ_FACTS_H_

#include <string>

#include "fuzz/target.h"

namespace fsqlshm::fuzz {

/// The defect, if it shows one, and the property: the same for inputs that fail in the same way.
[[nodiscard]] std::string title(const Failure& failure);

/// The known fault that `failure` shows; null if it shows none.
[[nodiscard]] const KnownFault* shown_fault(const Target& target, const Failure& failure);

/// The text of a failure, for a person. What the input does is left out if `input` is null.
[[nodiscard]] std::string report(const Target& target, const Failure& failure, const Bytes* input);

/// The answer to --describe: all that others need to know of the target, as JSON. fuzz/README.md
/// says what is in it.
[[nodiscard]] std::string describe(const Target& target);

/// From now on the counters go to the file `path` when the program exits, as
/// {"counters": {name: number}, "failure": null}.
void keep_facts(std::string path);
/// Writes the same at once, if it is to be kept, with
/// "failure": {"title", "property", "defect", "fault", "text"}; fault is the known one that it
/// shows, or null.
void keep_failure(const Target& target, const Failure& failure, const std::string& text);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_FACTS_H_
