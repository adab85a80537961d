#include "fuzz/replay.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>

#include "fuzz/facts.h"
#include "fuzz/reducer.h"
#include "fuzz/stats.h"
#include "fuzz/target.h"
#include "harness/child.h"
#include "harness/run.h"

namespace fsqlshm::fuzz {
namespace {

namespace fs = std::filesystem;
using Input = std::vector<std::uint8_t>;

Input read_input(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  Input input{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file || fs::is_directory(path)) throw std::runtime_error("cannot read " + path.string());
  return input;
}

void write_input(const fs::path& path, const Input& input) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  const auto written = harness::write_file(path, text);
  if (!written) throw std::runtime_error(written.error());
}

// Files, and the files in folders, in order.
std::vector<fs::path> expand(const std::vector<std::string>& paths) {
  std::vector<fs::path> files;
  for (const fs::path path : paths) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    for (const auto& entry : fs::recursive_directory_iterator(path)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  }
  std::ranges::sort(files);
  return files;
}

// An exact allocation, so that a sanitizer sees every byte too far.
std::optional<Failure> run_exactly(Bytes input) {
  const Input exact(input.begin(), input.end());
  return kTarget.run(exact);
}

// How an input fails, in a process of its own: the property, or how the process died. Empty if it
// does not fail.
std::string signature(Bytes input) {
  const harness::Shared<std::array<char, 4096>> how;
  const harness::ChildState state = harness::run_in_child(
      [&] {
        // No sanitizer's report for every step of a reduction.
        if (std::freopen("/dev/null", "w", stderr) == nullptr) return 3;
        const auto failure = run_exactly(input);
        if (failure) title(*failure).copy(how->data(), how->size() - 1);
        return failure ? 1 : 0;
      },
      std::chrono::seconds(30));
  if (state.exited(0)) return "";
  const std::string text = how->data();
  return text.empty() ? state.text() : text;
}

std::map<std::string, Input> files_in(const fs::path& folder) {
  std::map<std::string, Input> files;
  if (!fs::is_directory(folder)) return files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    files.emplace(entry.path().filename().string(), read_input(entry.path()));
  }
  return files;
}

// What is wrong with the tracked inputs, a sentence each.
class Check {
 public:
  explicit Check(const fs::path& corpus) {
    const std::string name(kTarget.name);
    const auto seeds = files_in(corpus / name);
    const auto kept = files_in(corpus / "regressions" / name);
    passes(seeds);
    if (kTarget.known_faults.empty()) {
      passes(kept);
      for (const std::string_view counter : kTarget.reaches) {
        if (counter_value(counter) == 0) wrong("no input reaches " + std::string(counter));
      }
      return;
    }
    for (const KnownFault& fault : kTarget.known_faults) shows(fault, kept);
    if (kept.size() != kTarget.known_faults.size()) wrong("an input is kept for no known fault");
  }

  [[nodiscard]] harness::ExitCode end() const {
    std::printf("%s: %zu inputs, %zu problems\n", std::string(kTarget.name).c_str(), run_,
                problems_);
    return problems_ == 0 ? harness::kExitClean : harness::kExitFound;
  }

 private:
  void wrong(const std::string& what) {
    ++problems_;
    std::fprintf(stderr, "%s: %s\n", std::string(kTarget.name).c_str(), what.c_str());
  }

  void passes(const std::map<std::string, Input>& inputs) {
    for (const auto& [name, input] : inputs) {
      ++run_;
      const auto failure = run_exactly(input);
      if (failure) wrong(name + ": " + report(kTarget, *failure, nullptr));
    }
  }

  void shows(const KnownFault& fault, const std::map<std::string, Input>& kept) {
    ++run_;
    const std::string name(fault.name);
    const std::string option(fault.option);
    if (!option.empty() && !kTarget.option(option)) return wrong("there is no option " + option);
    const auto input = kept.find(name);
    if (input == kept.end()) return wrong("no input is kept for " + name);
    const auto failure = run_exactly(input->second);
    const KnownFault* const shown = failure ? shown_fault(kTarget, *failure) : nullptr;
    if (shown != &fault) {
      wrong("the kept input of " + name + " does not show it any more" +
            (failure ? ", but " + title(*failure) : ""));
    }
  }

  std::size_t run_ = 0;
  std::size_t problems_ = 0;
};

}  // namespace

harness::ExitCode replay(const std::vector<std::string>& paths, bool explain, bool quiet) {
  const std::vector<fs::path> files = expand(paths);
  std::size_t failed = 0;
  std::size_t done = 0;
  for (const fs::path& path : files) {
    if (harness::stop_requested()) break;
    const Input input = read_input(path);
    ++done;
    if (explain && kTarget.explain != nullptr) std::fputs(kTarget.explain(input).c_str(), stdout);
    if (const auto failure = run_exactly(input)) {
      ++failed;
      const Bytes bytes(input);
      std::fprintf(stderr, "%s\n%s\n", path.c_str(),
                   report(kTarget, *failure, explain ? nullptr : &bytes).c_str());
    }
  }
  if (!quiet) {
    std::printf("%s: %zu of %zu inputs run, %zu failed\n", std::string(kTarget.name).c_str(), done,
                files.size(), failed);
  }
  return failed != 0 ? harness::kExitFound : harness::kExitClean;
}

harness::ExitCode reduce_file(const fs::path& path, const fs::path& output, bool quiet) {
  const Input input = read_input(path);
  const std::string how = signature(input);
  if (how.empty()) {
    throw std::runtime_error(path.string() + " does not fail, so there is nothing to reduce");
  }
  std::size_t attempts = 0;
  const Input reduced = reduce(kTarget, input, [&](Bytes candidate) {
    ++attempts;
    return !harness::stop_requested() && signature(candidate) == how;
  });
  write_input(output, reduced);
  if (quiet) return harness::kExitFound;
  std::printf("%s\n%zu to %zu bytes in %zu attempts: %s\n", how.c_str(), input.size(),
              reduced.size(), attempts, output.c_str());
  for (const Unit& unit : kTarget.units != nullptr ? kTarget.units(reduced) : std::vector<Unit>()) {
    if (std::memcmp(unit.plain.data(), reduced.data() + unit.offset, unit.plain.size()) != 0) {
      std::printf("  %s at offset %zu matters\n", unit.name.c_str(), unit.offset);
    }
  }
  return harness::kExitFound;
}

harness::ExitCode check_corpus(const fs::path& corpus) { return Check(corpus).end(); }

}  // namespace fsqlshm::fuzz
