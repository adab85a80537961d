// The frame of every program: its command line, its documents, how it ends.

#ifndef FSQLSHM_HARNESS_PROGRAM_H_
#define FSQLSHM_HARNESS_PROGRAM_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/result.h"

namespace fsqlshm::harness {

/// What is wrong with the text of an option's value, for a person; empty: nothing.
using Check = std::function<std::string(const std::string& text)>;

/// One option of a program. Values are converted as their target's type says; the target's value
/// before the command line is read is shown as the default by --help.
struct Option {
  /// A bool is a flag. A vector takes values with commas between them, or several arguments.
  using Target = std::variant<bool*, int*, unsigned*, std::uint64_t*, std::optional<std::uint64_t>*,
                              double*, std::string*, std::vector<std::string>*>;

  std::string name;  ///< "--seconds", or "FILE" for one that is known by its place
  Target target;
  std::string help;
  Check check{};
  bool required = false;
  std::vector<std::string> needs{};     ///< options that have to be given with it
  std::vector<std::string> excludes{};  ///< options that cannot be given with it
};

class Program {
 public:
  Program(const std::string& name, const std::string& description);
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  void add(const Option& option);
  /// Adds a command with options of its own; at most one command may be given.
  void add_command(const std::string& name, const std::string& description,
                   const std::vector<Option>& options = {});
  /// Adds --json FILE and --junit FILE. A file that could not be written in the end is refused
  /// before the work begins, as far as that can be known.
  void add_documents();

  /// Parses the command line, makes SIGINT and SIGTERM ask for an early end (stop_requested), runs
  /// `body`, and sees to it that nothing said on standard output was lost. The exit status of
  /// `body`; kExitClean after --help and --version; kExitCouldNotRun, with one line on standard error, for a bad
  /// command line, an exception and a lost output.
  [[nodiscard]] int run(int argc, char** argv, const std::function<ExitCode()>& body);

  /// Whether this option or command was given. REQUIRES: called in the body of `run`.
  [[nodiscard]] bool given(const std::string& name) const;
  /// The command line that was given, to be pasted into a shell, without what only says where
  /// results go. REQUIRES: called in the body of `run`.
  [[nodiscard]] std::string command_line() const;

  /// Writes the documents that were asked for and says why the engine could not run, if so. The
  /// exit status: that of `result`, or kExitCouldNotRun for a clean one that could not be written.
  [[nodiscard]] ExitCode finish(const Result& result) const;

  /// finish(), and a last line on standard output that says how it ended; `clean` if nothing was
  /// found.
  [[nodiscard]] ExitCode conclude(const Result& result, std::string_view clean = "clean") const;

  /// "NAME: WHY" on standard error.
  ExitCode refuse(std::string_view why) const;

 private:
  struct CommandLine;  // the library that parses it takes ten seconds to compile: program.cc alone
  std::unique_ptr<CommandLine> command_line_;
  std::string json_;
  std::string junit_;
  std::vector<std::string> words_;
};

/// A whole number from `least` to `most`.
[[nodiscard]] Check whole_number(std::uint64_t least, std::uint64_t most = ~std::uint64_t{0});
/// A finite number from `least` to `most`.
[[nodiscard]] Check number(double least, double most);
[[nodiscard]] Check one_of(std::vector<std::string> words);
/// What Shard::parse takes.
[[nodiscard]] Check shard();
[[nodiscard]] Check existing_file();
/// A regular file, or none yet, in a folder that may be written to.
[[nodiscard]] Check writable_file();
[[nodiscard]] Check existing_folder();

/// The longest time that an option may name, in seconds: a year.
inline constexpr double kMostSeconds = 365.0 * 24 * 3600;

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_PROGRAM_H_
