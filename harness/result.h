// The document that every engine writes with --json, and the JUnit file made from it.
// harness/schema/result.json describes its members; schema_test.cc checks what is built here against
// it.

#ifndef FSQLSHM_HARNESS_RESULT_H_
#define FSQLSHM_HARNESS_RESULT_H_

#include <chrono>
#include <expected>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fsqlshm::harness {

inline constexpr std::string_view kResultSchema = "fsqlshm-result/1";

/// Exit status of every program and script of the project.
// NOLINTNEXTLINE(performance-enum-size): what main returns is an int
enum ExitCode : int {
  kExitClean = 0,        ///< ran, and everything was as expected
  kExitFound = 1,        ///< ran, and found something
  kExitCouldNotRun = 2,  ///< did not run, or not to its end: says nothing about the subject
};

/// Something that should not be.
struct Finding {
  std::string severity{};  ///< "violation"; "vacuous": a check did not see what it exists for;
                           ///< "expected": a known defect of `reference`, found as it should be
  std::string property{};  ///< "P2 integrity", "open accepts only valid headers" ...
  std::string defect{};    ///< the known defect of `reference` that it shows, "D3"; or empty
  std::string title{};     ///< one line
  std::string detail{};    ///< text for a person, may have many lines
  std::string replay{};    ///< a command that reproduces it, to be pasted into a shell
  std::string file{};      ///< source file relative to the repository, or empty
  int line = 0;            ///< 1-based line in `file`, 0 if there is none
  std::vector<std::string> artefacts{};  ///< files that belong to it
  nlohmann::json trace{};                ///< engine-specific, null if there is none
};

class Result {
 public:
  Result(std::string engine, std::string subject);

  nlohmann::json seed;                                // null or a number
  nlohmann::json budget = nlohmann::json::object();   // what was asked for
  nlohmann::json counts = nlohmann::json::object();   // name to number
  std::string headline;                               // "2.1 M executions, 24 scenarios"
  nlohmann::json details = nlohmann::json::object();  // engine-specific
  std::vector<Finding> findings;
  std::vector<std::string> passed;  // checks without a finding, for JUnit: "publish1-load1"
  /// Set when the engine could not do its work; says why.
  std::optional<std::string> could_not_run;

  /// kExitFound if there is a finding that is not "expected".
  [[nodiscard]] ExitCode exit_code() const;

  /// The document. Duration counts from construction to this call.
  [[nodiscard]] nlohmann::json to_json() const;

  /// The same as a JUnit test suite, a case for each finding and each check that passed, or one case.
  [[nodiscard]] std::string to_junit() const;

  /// Writes the file whole or not at all (a temporary file next to it, renamed). The error is a
  /// sentence for a person.
  [[nodiscard]] std::expected<void, std::string> write_json(
      const std::filesystem::path& path) const;
  [[nodiscard]] std::expected<void, std::string> write_junit(
      const std::filesystem::path& path) const;

 private:
  std::string engine_;
  std::string subject_;
  std::chrono::system_clock::time_point started_ = std::chrono::system_clock::now();
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// Writes `text` to `path` whole or not at all.
[[nodiscard]] std::expected<void, std::string> write_file(const std::filesystem::path& path,
                                                          std::string_view text);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_RESULT_H_
