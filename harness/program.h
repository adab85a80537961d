// The frame of every program: its command line, its documents, how it ends.

#ifndef FSQLSHM_HARNESS_PROGRAM_H_
#define FSQLSHM_HARNESS_PROGRAM_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "harness/result.h"

namespace fsqlshm::harness {

class Program {
 public:
  Program(const std::string& name, const std::string& description) : app_(description, name) {}

  /// For the program's own options.
  [[nodiscard]] CLI::App& options() noexcept { return app_; }

  /// Adds --json FILE and --junit FILE. A file that could not be written in the end is refused
  /// before the work begins, as far as that can be known.
  void add_documents();

  /// Parses the command line, makes SIGINT and SIGTERM ask for an early end (stop_requested), runs
  /// `body`, and sees to it that nothing said on standard output was lost. The exit status of
  /// `body`; kExitClean after --help; kExitCouldNotRun, with one line on standard error, for a bad
  /// command line, an exception and a lost output.
  [[nodiscard]] int run(int argc, char** argv, const std::function<ExitCode()>& body);

  /// Writes the documents that were asked for and says why the engine could not run, if so. The
  /// exit status: that of `result`, or kExitCouldNotRun for a clean one that could not be written.
  [[nodiscard]] ExitCode finish(const Result& result) const;

  /// "NAME: WHY" on standard error.
  ExitCode refuse(std::string_view why) const;

 private:
  CLI::App app_;
  std::string json_;
  std::string junit_;
};

/// Checks of option values, with messages for a person: whole numbers from `least`; numbers from
/// `least` to `most`, both finite (CLI::Range lets "nan" through).
[[nodiscard]] CLI::Validator whole_number(std::uint64_t least);
[[nodiscard]] CLI::Validator number(double least, double most);

/// The longest time that an option may name, in seconds: a year.
inline constexpr double kMostSeconds = 365.0 * 24 * 3600;

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_PROGRAM_H_
