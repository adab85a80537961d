// Runs a target on files, without an engine: replays what a fuzzer found, and reduces it.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/entry.h"
#include "fuzz/reducer.h"
#include "fuzz/stats.h"
#include "fuzz/target.h"
#include "harness/program.h"
#include "harness/result.h"
#include "harness/run.h"

namespace fsqlshm::fuzz {
namespace {

namespace fs = std::filesystem;
using Input = std::vector<std::uint8_t>;

[[nodiscard]] bool read_input(const fs::path& path, Input& out) {
  std::ifstream file(path, std::ios::binary);
  if (!file || fs::is_directory(path)) return false;
  out.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  return !file.bad();
}

// An exact allocation, so that a sanitizer sees every byte too far.
[[nodiscard]] std::optional<Failure> run_exactly(const Input& input) {
  const Input exact(input);
  return target().run(exact);
}

// How an input fails, in a process of its own: the property, or how the process died. Empty if it
// does not fail.
[[nodiscard]] std::string signature(Bytes input) {
  int channel[2];
  if (::pipe(channel) != 0) return {};
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(channel[0]);
    // A sanitizer's report of every step of a reduction helps nobody.
    if (std::freopen("/dev/null", "w", stderr) == nullptr) ::_exit(3);
    ::alarm(30);
    if (const auto failure = run_exactly(Input(input.begin(), input.end()))) {
      const std::string text = failure->property.substr(0, 4000);
      const ssize_t written = ::write(channel[1], text.data(), text.size());
      ::_exit(written == static_cast<ssize_t>(text.size()) ? 1 : 3);
    }
    ::_exit(0);
  }
  ::close(channel[1]);
  std::string text;
  char piece[512];
  ssize_t size = 0;
  while ((size = ::read(channel[0], piece, sizeof(piece))) > 0) {
    text.append(piece, static_cast<std::size_t>(size));
  }
  ::close(channel[0]);
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child) return {};
  if (WIFSIGNALED(status)) return "died of signal " + std::to_string(WTERMSIG(status));
  if (WEXITSTATUS(status) != 0 && text.empty()) {
    return "ended with status " + std::to_string(WEXITSTATUS(status));
  }
  return text;
}

harness::ExitCode reduce_file(const fs::path& path, const fs::path& output, bool quiet) {
  Input input;
  if (!read_input(path, input)) {
    std::fprintf(stderr, "cannot read %s\n", path.c_str());
    return harness::kExitCouldNotRun;
  }
  const std::string how = signature(input);
  if (how.empty()) {
    std::fprintf(stderr, "%s does not fail, so there is nothing to reduce\n", path.c_str());
    return harness::kExitCouldNotRun;
  }
  const std::size_t before = input.size();
  std::size_t attempts = 0;
  const Input reduced = reduce(target(), std::move(input), [&](Bytes candidate) {
    ++attempts;
    return !harness::stop_requested() && signature(candidate) == how;
  });
  const std::string_view text(reinterpret_cast<const char*>(reduced.data()), reduced.size());
  if (const auto written = harness::write_file(output, text); !written) {
    std::fprintf(stderr, "%s\n", written.error().c_str());
    return harness::kExitCouldNotRun;
  }
  if (!quiet) {
    std::printf("%s\n%zu to %zu bytes in %zu attempts: %s\n", how.c_str(), before, reduced.size(),
                attempts, output.c_str());
    const auto plain = target().units != nullptr ? target().units(reduced) : std::vector<Unit>();
    for (const Unit& unit : plain) {
      if (!std::equal(unit.plain.begin(), unit.plain.end(),
                      reduced.begin() + static_cast<std::ptrdiff_t>(unit.offset))) {
        std::printf("  %s at offset %zu matters\n", unit.name.c_str(), unit.offset);
      }
    }
  }
  return harness::kExitFound;
}

// Files, and the files in folders, in order.
[[nodiscard]] bool expand(const std::vector<fs::path>& paths, std::vector<fs::path>& files) {
  for (const fs::path& path : paths) {
    std::error_code error;
    if (fs::is_directory(path, error)) {
      for (const auto& entry : fs::recursive_directory_iterator(path, error)) {
        if (entry.is_regular_file()) files.push_back(entry.path());
      }
    } else {
      files.push_back(path);
    }
    if (error) {
      std::fprintf(stderr, "cannot read %s: %s\n", path.c_str(), error.message().c_str());
      return false;
    }
  }
  std::ranges::sort(files);
  return true;
}

harness::ExitCode replay(const std::vector<fs::path>& paths, bool explain, bool quiet) {
  std::vector<fs::path> files;
  if (!expand(paths, files)) return harness::kExitCouldNotRun;
  std::size_t failed = 0;
  std::size_t done = 0;
  for (const fs::path& path : files) {
    if (harness::stop_requested()) break;
    Input input;
    if (!read_input(path, input)) {
      std::fprintf(stderr, "cannot read %s\n", path.c_str());
      return harness::kExitCouldNotRun;
    }
    ++done;
    if (explain && target().explain != nullptr) std::fputs(target().explain(input).c_str(), stdout);
    if (const auto failure = run_exactly(input)) {
      ++failed;
      const Bytes bytes(input);
      std::fprintf(stderr, "%s\n%s\n", path.c_str(),
                   report(target(), *failure, explain ? nullptr : &bytes).c_str());
    }
  }
  if (!quiet) {
    std::printf("%s: %zu of %zu inputs run, %zu failed\n", target().name.data(), done, files.size(),
                failed);
  }
  return failed != 0 ? harness::kExitFound : harness::kExitClean;
}

}  // namespace
}  // namespace fsqlshm::fuzz

int main(int argc, char** argv) {
  using namespace fsqlshm;        // NOLINT(google-build-using-namespace)
  using namespace fsqlshm::fuzz;  // NOLINT(google-build-using-namespace)
  const std::string name(target().name);
  harness::Program program(name + "_replay",
                           "Runs the fuzz target " + name + " on files and folders.");
  std::vector<std::string> paths;
  std::string reduce_path;
  std::string output = "reduced";
  std::vector<std::string> options;
  bool explain = false;
  bool quiet = false;
  bool stats = false;
  program.add({.name = "paths", .target = &paths, .help = "inputs: files, or folders of them"});
  program.add({.name = "--explain", .target = &explain, .help = "print what each input does"});
  program.add({.name = "--reduce",
               .target = &reduce_path,
               .help = "a failing input to make as plain as possible"});
  program.add({.name = "--output", .target = &output, .help = "where the reduced input goes"});
  program.add({.name = "--option",
               .target = &options,
               .help = "an option of the target, for example only=D3"});
  program.add({.name = "--stats", .target = &stats, .help = "print what the inputs reached"});
  program.add({.name = "--quiet", .target = &quiet, .help = "print only failures"});
  return program.run(argc, argv, [&] {
    for (const std::string& option : options) {
      if (target().option == nullptr || !target().option("--" + option)) {
        return program.refuse("there is no option " + option);
      }
    }
    if (!reduce_path.empty()) return reduce_file(reduce_path, output, quiet);
    if (paths.empty()) return program.refuse("no inputs given; --help explains");
    if (stats) print_counters_at_exit(target().name);
    return replay({paths.begin(), paths.end()}, explain, quiet);
  });
}
