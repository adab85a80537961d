// Which line of which source an instruction comes from, by the debug information of the shared object.

#ifndef FSQLSHM_STRESS_STEP_SOURCE_LINES_H_
#define FSQLSHM_STRESS_STEP_SOURCE_LINES_H_

#include <cstdint>
#include <string>
#include <unordered_map>

struct Dwfl;

namespace fsqlshm::step {

struct SourceLine {
  std::string file{};  ///< "core/include/fsqlshm/hardened/seqlock.h"; empty: unknown
  int line = 0;
  std::string function{};
};

/// Of the code in this process.
class SourceLines {
 public:
  SourceLines();
  ~SourceLines();
  SourceLines(const SourceLines&) = delete;
  SourceLines& operator=(const SourceLines&) = delete;

  /// The innermost line that says something of the protocol: not of a standard library, and not of the
  /// seam that performs the accesses.
  [[nodiscard]] const SourceLine& of(std::uintptr_t address);

 private:
  [[nodiscard]] SourceLine find(std::uintptr_t address) const;

  Dwfl* dwfl_ = nullptr;
  std::unordered_map<std::uintptr_t, SourceLine> known_;
};

}  // namespace fsqlshm::step

#endif  // FSQLSHM_STRESS_STEP_SOURCE_LINES_H_
