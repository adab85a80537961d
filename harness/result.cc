#include "harness/result.h"

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>
#include <utility>

namespace fsqlshm::harness {
namespace {

// XML 1.0 text: the five special characters escaped, control characters it cannot carry replaced.
std::string xml(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? '?' : c;
    }
  }
  return out;
}

std::string error_text(std::string_view what, const std::filesystem::path& path, int error) {
  return fmt::format("cannot {} {}: {}", what, path.string(),
                     std::generic_category().message(error));
}

}  // namespace

Result::Result(std::string engine, std::string subject)
    : engine_(std::move(engine)), subject_(std::move(subject)) {}

ExitCode Result::exit_code() const {
  if (std::ranges::any_of(findings, [](const Finding& f) { return f.severity != "expected"; })) {
    return kExitFound;
  }
  return could_not_run ? kExitCouldNotRun : kExitClean;
}

nlohmann::json Result::to_json() const {
  nlohmann::json list = nlohmann::json::array();
  for (const Finding& finding : findings) {
    nlohmann::json entry = {{"severity", finding.severity}, {"property", finding.property},
                            {"title", finding.title},       {"detail", finding.detail},
                            {"replay", finding.replay},     {"artefacts", finding.artefacts}};
    if (!finding.defect.empty()) entry["defect"] = finding.defect;
    if (!finding.file.empty()) entry["source"] = {{"file", finding.file}, {"line", finding.line}};
    if (!finding.trace.is_null()) entry["trace"] = finding.trace;
    list.push_back(std::move(entry));
  }
  const ExitCode code = exit_code();
  const std::chrono::duration<double> duration = std::chrono::steady_clock::now() - start_;
  nlohmann::json document = {
      {"schema", kResultSchema},
      {"engine", engine_},
      {"subject", subject_},
      {"status", code == kExitClean ? "clean" : (code == kExitFound ? "found" : "could_not_run")},
      {"seed", seed},
      {"budget", budget},
      {"started",
       fmt::format("{:%FT%TZ}",
                   fmt::gmtime(std::chrono::time_point_cast<std::chrono::seconds>(started_)))},
      {"duration_seconds", duration.count()},
      {"counts", counts},
      {"headline", headline},
      {"findings", std::move(list)},
      {"details", details},
  };
  if (could_not_run) document["reason"] = *could_not_run;
  return document;
}

std::string Result::to_junit() const {
  const nlohmann::json document = to_json();
  const double seconds = document["duration_seconds"];
  const auto failures =
      std::ranges::count_if(findings, [](const Finding& f) { return f.severity != "expected"; });
  std::string cases;
  const auto pass = [&](const std::string& name) {
    cases += fmt::format("  <testcase classname=\"{}\" name=\"{}\"/>\n", xml(subject_), xml(name));
  };
  std::ranges::for_each(passed, pass);
  for (const Finding& finding : findings) {
    if (finding.severity == "expected") {
      pass(finding.title);
      continue;
    }
    cases += fmt::format(
        "  <testcase classname=\"{}\" name=\"{}\">\n"
        "    <failure type=\"{}\" message=\"{}\">{}\nreproduce: {}\n</failure>\n  </testcase>\n",
        xml(subject_), xml(finding.title), xml(finding.severity), xml(finding.property),
        xml(finding.detail), xml(finding.replay));
  }
  if (could_not_run) {
    cases += fmt::format(
        "  <testcase classname=\"{}\" name=\"runs\">\n    <error message=\"{}\"/>\n  "
        "</testcase>\n",
        xml(subject_), xml(*could_not_run));
  } else if (cases.empty()) {
    cases = fmt::format("  <testcase classname=\"{}\" name=\"clean\" time=\"{:.3f}\"/>\n",
                        xml(subject_), seconds);
  }
  const std::size_t known = passed.size() + findings.size() + (could_not_run ? 1 : 0);
  const std::size_t tests = std::max<std::size_t>(1, known);
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuite name=\"{}\" tests=\"{}\" "
      "failures=\"{}\" errors=\"{}\" time=\"{:.3f}\">\n{}</testsuite>\n",
      xml(engine_), tests, failures, could_not_run ? 1 : 0, seconds, cases);
}

std::expected<void, std::string> Result::write_json(const std::filesystem::path& path) const {
  // Text of other programs may be no UTF-8; a replaced character is better than no result.
  return write_file(path,
                    to_json().dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
}

std::expected<void, std::string> Result::write_junit(const std::filesystem::path& path) const {
  return write_file(path, to_junit());
}

std::expected<void, std::string> write_file(const std::filesystem::path& path,
                                            std::string_view text) {
  std::error_code ignored;
  if (std::filesystem::exists(path, ignored) && !std::filesystem::is_regular_file(path, ignored)) {
    // The rename below would put a file in the place of a device or a pipe.
    return std::unexpected(fmt::format("cannot write {}: not a regular file", path.string()));
  }
  std::filesystem::path temporary = path;
  temporary += fmt::format(".{}.tmp", ::getpid());
  const int fd = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return std::unexpected(error_text("create", temporary, errno));
  int error = 0;
  // Where a limit for files is reached, a write fails instead of ending the process.
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  while (!text.empty() && error == 0) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      error = errno;
    }
  }
  std::signal(SIGXFSZ, before);
  if (::close(fd) != 0 && error == 0) error = errno;
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error != 0) {
    ::unlink(temporary.c_str());
    return std::unexpected(error_text("write", path, error));
  }
  return {};
}

}  // namespace fsqlshm::harness
