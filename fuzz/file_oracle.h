// What opening and creating a file must answer, and what the file must hold then: from the wire table
// and the rules of the first opener, not from the core's own code.

#ifndef FSQLSHM_FUZZ_FILE_ORACLE_H_
#define FSQLSHM_FUZZ_FILE_ORACLE_H_

#include <cstdint>
#include <string_view>

#include "fuzz/file_input.h"

namespace fsqlshm::fuzz {

/// What the database answers when it is asked for its state.
inline constexpr std::uint64_t kDurableCommit = 70, kDurableSchema = 71, kDurableEcs = 72,
                               kDurableNextId = 1000, kRecoverFailure = 77;

/// A new file.
[[nodiscard]] Content fresh_content(std::uint32_t page_size, std::uint32_t slots,
                                    FirstOpener first);
/// A file that was there, after its first opener.
[[nodiscard]] Content established(Content found, FirstOpener first);

/// Whether open_or_create makes this file anew.
[[nodiscard]] bool is_ruin(const Content& content);

/// What the first opener of this file is told: "accept", or the error by the library's name.
/// `make`: open_or_create.
[[nodiscard]] std::string_view judge_first_open(const Content& content, FirstOpener first,
                                                bool make);

/// Whether a call that fails like this may end the task with this error.
[[nodiscard]] bool may_report(std::string_view call, int error, const ShmError& reported);
/// Whether a task can go on after a call that failed like this.
[[nodiscard]] bool may_absorb(std::string_view call, int error);

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_FILE_ORACLE_H_
