#include "harness/program.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>
#include <expected>
#include <filesystem>
#include <system_error>

#include "harness/run.h"

namespace fsqlshm::harness {
namespace {

namespace fs = std::filesystem;

// Why a document could not be written to `path`; empty if it looks as if it could.
std::string not_writable(const std::string& path) {
  std::error_code ignored;
  if (path.empty()) return "expected the name of a file";
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    return fmt::format("{}: not a regular file", path);
  }
  const fs::path folder = fs::path(path).parent_path();
  // It is written beside its place and renamed.
  if (::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) != 0) {
    return fmt::format("cannot write {}: {}", path, std::generic_category().message(errno));
  }
  return {};
}

// The whole text is one number.
template <class Number>
bool parse_all(const std::string& text, Number& value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end && !text.empty();
}

}  // namespace

void Program::add_documents() {
  app_.add_option("--json", json_, "write the result document to this file")->check(not_writable);
  app_.add_option("--junit", junit_, "write a JUnit file")->check(not_writable);
}

int Program::run(int argc, char** argv, const std::function<ExitCode()>& body) {
  int code = kExitClean;
  try {
    app_.parse(argc, argv);
    install_stop_handler();
    code = body();
  } catch (const CLI::Success& help) {
    code = app_.exit(help);
  } catch (const std::exception& error) {
    code = refuse(error.what());
  }
  if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && code == kExitClean) {
    return refuse("standard output could not be written");
  }
  return code;
}

ExitCode Program::finish(const Result& result) const {
  if (result.could_not_run) refuse(*result.could_not_run);
  bool lost = false;
  const auto check = [&](const std::expected<void, std::string>& written) {
    if (written) return;
    refuse(written.error());
    lost = true;
  };
  if (!json_.empty()) check(result.write_json(json_));
  if (!junit_.empty()) check(result.write_junit(junit_));
  const ExitCode code = result.exit_code();
  return lost && code == kExitClean ? kExitCouldNotRun : code;
}

ExitCode Program::refuse(std::string_view why) const {
  // Not fmt: a lost standard error must not throw.
  std::fprintf(stderr, "%s: %.*s\n", app_.get_name().c_str(), static_cast<int>(why.size()),
               why.data());
  return kExitCouldNotRun;
}

CLI::Validator whole_number(std::uint64_t least) {
  return {[least](const std::string& text) -> std::string {
            std::uint64_t value = 0;
            if (parse_all(text, value) && value >= least) return {};
            return fmt::format("\"{}\": expected a whole number from {}", text, least);
          },
          ""};
}

CLI::Validator number(double least, double most) {
  return {[least, most](const std::string& text) -> std::string {
            double value = std::nan("");
            if (parse_all(text, value) && value >= least && value <= most) return {};
            return fmt::format("\"{}\": expected a number from {} to {}", text, least, most);
          },
          ""};
}

}  // namespace fsqlshm::harness
