#include "harness/program.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>
#include <expected>
#include <filesystem>
#include <system_error>
#include <type_traits>
#include <utility>

#include "harness/run.h"

namespace fsqlshm::harness {
namespace {

namespace fs = std::filesystem;

// Why a file could not be written to `path`; empty if it looks as if it could.
std::string not_writable(const std::string& path) {
  std::error_code ignored;
  if (path.empty()) return "expected the name of a file";
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    return fmt::format("{}: not a regular file", path);
  }
  const fs::path folder = fs::path(path).parent_path();
  // It is written next to its place and renamed.
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

CLI::Option* add_to(CLI::App& app, const Option& option) {
  CLI::Option* const added = std::visit(
      [&](auto* target) {
        using Value = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<Value, bool>) {
          return app.add_flag(option.name, *target, option.help);
        } else {
          CLI::Option* const one = app.add_option(option.name, *target, option.help);
          if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
            if (option.name.starts_with("--")) one->delimiter(',')->allow_extra_args(false);
          }
          // A help text that says what is the default knows better than what this machine has drawn.
          if (option.help.find("(default") == std::string::npos) one->capture_default_str();
          return one;
        }
      },
      option.target);
  if (option.check) {
    // CLI11's converters take "-1" for an unsigned number and "nan" for any: the text is checked.
    added->check(CLI::Validator(option.check, ""));
  }
  return added->required(option.required);
}

// Without what an option excludes, which may be most others: a command line with both is told so.
class Formatter : public CLI::Formatter {
 public:
  std::string make_option_opts(const CLI::Option* option) const override {
    const std::string all = CLI::Formatter::make_option_opts(option);
    return all.substr(0, all.find(" Excludes:"));
  }
};

}  // namespace

struct Program::CommandLine {
  CLI::App app;
  std::vector<std::pair<CLI::Option*, Option>> options;  // the program's own
};

Program::Program(const std::string& name, const std::string& description)
    : command_line_(new CommandLine{CLI::App(description, name), {}}) {
  command_line_->app.formatter(std::make_shared<Formatter>());
  command_line_->app.set_version_flag("--version", name + " " FSQLSHM_VERSION,
                                      "Print name and version and exit");
}

Program::~Program() = default;

void Program::add(const Option& option) {
  command_line_->options.emplace_back(add_to(command_line_->app, option), option);
}

void Program::add_command(const std::string& name, const std::string& description,
                          const std::vector<Option>& options) {
  CLI::App& app = command_line_->app;
  app.require_subcommand(0, 1);
  app.footer(app.get_name() + " SUBCOMMAND --help shows the options of one.");
  CLI::App* const command = app.add_subcommand(name, description);
  command->fallthrough();  // the program's own options may follow the command
  for (const Option& option : options) add_to(*command, option);
}

void Program::add_documents() {
  add({"--json", &json_, "write the result document to this file", writable_file()});
  add({"--junit", &junit_, "write a JUnit file", writable_file()});
}

int Program::run(int argc, char** argv, const std::function<ExitCode()>& body) {
  CLI::App& app = command_line_->app;
  words_.assign(argv, argv + argc);
  int code = kExitClean;
  try {
    for (const auto& [added, option] : command_line_->options) {
      for (const std::string& name : option.needs) added->needs(app.get_option(name));
      for (const std::string& name : option.excludes) added->excludes(app.get_option(name));
    }
    app.parse(argc, argv);
    if (!json_.empty() && json_ == junit_) {
      return refuse("--json and --junit name the same file");
    }
    install_stop_handler();
    code = body();
  } catch (const CLI::Success& help) {
    code = app.exit(help);
  } catch (const std::exception& error) {
    code = refuse(error.what());
  }
  if ((std::fflush(stdout) != 0 || std::ferror(stdout) != 0) && code == kExitClean) {
    return refuse("standard output could not be written");
  }
  return code;
}

bool Program::given(const std::string& name) const {
  const CLI::App& app = command_line_->app;
  return name.starts_with("-") ? app.count(name) != 0 : app.got_subcommand(name);
}

std::string Program::command_line() const {
  std::string command;
  for (std::size_t i = 0; i < words_.size(); ++i) {
    const std::string& word = words_[i];
    if (word == "--json" || word == "--junit") {
      ++i;
    } else if (word != "--quiet" && !word.starts_with("--json=") && !word.starts_with("--junit=")) {
      command += (command.empty() ? "" : " ") + quoted(word);
    }
  }
  return command;
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

ExitCode Program::conclude(const Result& result, std::string_view clean) const {
  const ExitCode code = finish(result);
  fmt::print("{}\n", code == kExitClean   ? std::string(clean)
                     : code == kExitFound ? fmt::format("{} finding(s)", result.findings.size())
                                          : std::string("could not run"));
  return code;
}

ExitCode Program::refuse(std::string_view why) const {
  // Not fmt: a lost standard error must not throw.
  std::fprintf(stderr, "%s: %.*s\n", command_line_->app.get_name().c_str(),
               static_cast<int>(why.size()), why.data());
  return kExitCouldNotRun;
}

Check whole_number(std::uint64_t least, std::uint64_t most) {
  return [least, most](const std::string& text) -> std::string {
    std::uint64_t value = 0;
    if (parse_all(text, value) && value >= least && value <= most) return {};
    const std::string range = most == ~std::uint64_t{0} ? "" : fmt::format(" to {}", most);
    return fmt::format("\"{}\": expected a whole number from {}{}", text, least, range);
  };
}

Check number(double least, double most) {
  return [least, most](const std::string& text) -> std::string {
    double value = std::nan("");
    if (parse_all(text, value) && value >= least && value <= most) return {};
    return fmt::format("\"{}\": expected a number from {} to {}", text, least, most);
  };
}

Check one_of(std::vector<std::string> words) {
  return [words = std::move(words)](const std::string& text) -> std::string {
    if (std::ranges::find(words, text) != words.end()) return {};
    return fmt::format("\"{}\": expected one of: {}", text, fmt::join(words, ", "));
  };
}

Check shard() {
  return [](const std::string& text) -> std::string {
    const auto parsed = Shard::parse(text);
    return parsed ? "" : parsed.error();
  };
}

Check existing_file() { return CLI::ExistingFile; }
Check writable_file() { return not_writable; }
Check existing_folder() { return CLI::ExistingDirectory; }

}  // namespace fsqlshm::harness
