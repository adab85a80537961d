// What `--subject=PATH.so` makes of the targets open_raw, open_sealed and operations: their inputs run on a
// shared object, through the C interface, against the same oracles. A crash is for the engine to report.

#ifndef FSQLSHM_FUZZ_SUBJECT_UNDER_TEST_H_
#define FSQLSHM_FUZZ_SUBJECT_UNDER_TEST_H_

#include <optional>
#include <string_view>

#include "fuzz/oracle.h"
#include "fuzz/target.h"

namespace fsqlshm::fuzz {

/// Whether a subject was asked for. For subject_option to set.
inline bool g_subject_given = false;

/// Opens `input` and compares what the subject answers, and then says, with what the bytes ask for.
/// REQUIRES: g_subject_given, here and below.
[[nodiscard]] std::optional<Failure> open_on_subject(Bytes input, Judgement judgement);
/// Runs an input of `operations`. After a start state whose writer word is neither 0 nor an id, the writer's words and
/// what is said of them are not compared: those are the implementation's own. All else is.
[[nodiscard]] std::optional<Failure> run_calls_on_subject(Bytes input);

/// Reads `--subject=PATH.so`: Target::option. Ends the program, with a sentence, if it cannot be loaded.
[[nodiscard]] bool subject_option(std::string_view argument);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_SUBJECT_UNDER_TEST_H_
