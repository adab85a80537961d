// A target without an engine: replays inputs, reduces one, and checks what is kept in the corpus.

#ifndef FSQLSHM_FUZZ_REPLAY_H_
#define FSQLSHM_FUZZ_REPLAY_H_

#include <filesystem>
#include <string>
#include <vector>

#include "harness/result.h"

namespace fsqlshm::fuzz {

/// Runs files, and the files in folders, in order; kExitFound if one fails. What is wrong with the
/// files throws std::runtime_error, here and below.
harness::ExitCode replay(const std::vector<std::string>& paths, bool explain, bool quiet);

/// Writes an input that fails as `path` does, as plain as possible, to `output`; kExitFound.
harness::ExitCode reduce_file(const std::filesystem::path& path,
                              const std::filesystem::path& output, bool quiet);

/// Whether no seed in CORPUS/TARGET and no kept input in CORPUS/regressions/TARGET fails, together
/// they reach what a run has to reach, and each known fault is shown by its kept input.
harness::ExitCode check_corpus(const std::filesystem::path& corpus);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_REPLAY_H_
