// fsqlshm-bench: Google Benchmark's own program. Its flags, its output and its JSON are those of
// Google Benchmark; the label of each result has the facts of its case (see cases.h), "clock=real"
// if it is judged by wall time, and the words "racy" and "control" where they are true. The context
// has compiler, build_type, cpus (processors it may use), pinned (to one), timer_ns_per_tick of the
// clock of the group "tail", and with --peers subjects (JSON: what each is, calls, adds and lacks) and
// left_out (JSON: a sentence for each that is not there).

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <expected>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "cases.h"
#include "harness/guarded.h"
#include "harness/result.h"
#include "harness/subject.h"
#include "recorder.h"
#include "subjects.h"

namespace fsqlshm::bench {
namespace {

using harness::kExitClean;
using harness::kExitCouldNotRun;
using harness::kExitFound;
using harness::Subject;

void print_help() {
  // Google Benchmark's list at the end: help2man takes what is indented more for running text.
  fmt::print(
      "Usage: fsqlshm-bench [FLAG...]\n"
      "Measures the operations of the shared-memory header. scripts/bench runs it several times,\n"
      "compares runs and draws the tables.\n"
      "Exit status: 0 done, 1 an operation did not do what it should, 2 could not run.\n\n"
      "Options:\n"
      "  --rates=LIST       publishes a second of the groups read and tail: 0,1k,..., saturating\n"
      "  --hgrm=FOLDER      HdrHistogram files of the group tail, in ns\n"
      "  --subject=PATH.so  the group call, also of this shared object (fsqlshm.h)\n"
      "  --peers            other libraries, too, as far as they were installed; with --subject,\n"
      "                     the shared object is one more\n"
      "  --version          print name and version and exit\n\n"
      "And the flags of Google Benchmark:\n\n");
  std::fflush(stdout);
  benchmark::PrintDefaultHelp();
}

Subject load(std::string_view path) {
  auto subject = Subject::load(path);
  if (!subject) throw std::runtime_error(subject.error());
  return *std::move(subject);
}

/// What is left of the command line when Google Benchmark has taken its flags; or the first word
/// that is not understood.
std::expected<Settings, std::string> parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    const auto not_understood = [&] { return std::unexpected(std::string(word)); };
    if (word.starts_with("--subject=")) {
      settings.subject = load(word.substr(10));
    } else if (word == "--subject") {
      if (++i == argc) return not_understood();
      settings.subject = load(argv[i]);
    } else if (word == "--peers") {
      settings.peers = true;
    } else if (word.starts_with("--hgrm=")) {
      settings.hgrm = word.substr(7);
    } else if (word.starts_with("--rates=")) {
      settings.rates.clear();
      for (std::size_t at = 8; at <= word.size();) {
        const std::size_t end = std::min(word.find(',', at), word.size());
        settings.rates.push_back(parse_rate(std::string(word.substr(at, end - at))));
        at = end + 1;
        if (settings.rates.back() < 0) return not_understood();
      }
    } else {
      return not_understood();
    }
  }
  return settings;
}

std::string label(const Case& one, const benchmark::State& state) {
  std::string text;
  for (const auto& [key, value] : one.facts) text += fmt::format("{}={} ", key, value);
  if (!one.args.empty()) text += fmt::format("n={} ", state.range(0));
  if (one.clock != Clock::kCpu) text += "clock=real ";
  if (one.racy) text += "racy ";
  if (one.control) text += "control ";
  text.pop_back();
  return text;
}

std::atomic<bool> g_wrong = false;
harness::Doing* g_doing = nullptr;  // if a parent watches

void register_case(const Case& one) {
  std::string name;
  for (const auto& [key, value] : one.facts) name += (name.empty() ? "" : "/") + value;
  auto* const registered =
      benchmark::RegisterBenchmark(name.c_str(), [&one, name](benchmark::State& state) {
        state.SetLabel(label(one, state));
        if (g_doing != nullptr) (*g_doing)(name);
        try {
          one.body(state);
        } catch (const WrongResult& wrong) {
          g_wrong = true;
          state.SkipWithError(wrong.what());
        }
      });
  for (const std::int64_t arg : one.args) registered->Arg(arg);
  if (one.clock == Clock::kReal) registered->UseRealTime();
  if (one.clock == Clock::kOwn) registered->UseManualTime()->Iterations(1);
}

void add_subjects_to_context() {
  auto subjects = nlohmann::json::array();
  for (const AnySubject& subject : all_subjects()) {
    const SubjectFacts& facts = *subject.facts;
    subjects.push_back({{"name", facts.name},
                        {"source", facts.source},
                        {"call", facts.call},
                        {"adds", facts.adds},
                        {"lacks", facts.lacks}});
  }
  benchmark::AddCustomContext("subjects", subjects.dump());
  benchmark::AddCustomContext("left_out", nlohmann::json(subjects_left_out()).dump());
}

/// Says what the results depend on, and pins this thread, which is the one that measures.
void add_context(const Settings& settings) {
  if (settings.subject) {
    benchmark::AddCustomContext("subject", settings.subject->describe().dump());
  }
  if (settings.peers) add_subjects_to_context();
#if defined(__clang__)
  benchmark::AddCustomContext("compiler", fmt::format("clang {}", __clang_version__));
#else
  benchmark::AddCustomContext("compiler", fmt::format("gcc {}", __VERSION__));
#endif
#if defined(NDEBUG)
  benchmark::AddCustomContext("build_type", "release");
#else
  benchmark::AddCustomContext("build_type", "debug");
#endif
  benchmark::AddCustomContext("cpus", fmt::format("{}", fmt::join(allowed_cpus(), ",")));
  benchmark::AddCustomContext("pinned", pin_to(reader_cpu(0)) ? "true" : "false");
  benchmark::AddCustomContext("timer_ns_per_tick", fmt::format("{:.6g}", Timer::ns_per_tick()));
}

Cases all_cases(const Settings& settings) {
  Cases cases;
  if (settings.peers && settings.subject) add_shared_object(*settings.subject);
  add_subject_cases(cases, settings);
  add_header_cases(cases);
  add_writer_cases(cases);
  add_call_cases(cases, settings);
  add_file_cases(cases);
  add_growth_cases(cases);
  add_sharing_cases(cases);
  return cases;
}

int run_registered() {
  // While a program has but one thread, the C library's locks skip their atomic operations. What
  // is measured here is a program with threads.
  const std::jthread second_thread([](const std::stop_token& stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  });
  // Nothing matches the filter, or it is no regular expression: Google Benchmark has said so.
  if (benchmark::RunSpecifiedBenchmarks() == 0) return kExitCouldNotRun;
  benchmark::Shutdown();
  if (!std::cout.flush()) {
    std::cerr << "fsqlshm-bench: cannot write to standard output\n";
    return kExitCouldNotRun;
  }
  return g_wrong ? kExitFound : kExitClean;
}

// How long a measurement may be silent: it gives a sign of life when it begins anew, which takes Google
// Benchmark's least time, and on a busy machine several times as long.
std::chrono::seconds patience(int argc, char** argv) {
  constexpr std::string_view kLeastTime = "--benchmark_min_time=";
  double seconds = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word.starts_with(kLeastTime)) seconds = std::strtod(argv[i] + kLeastTime.size(), nullptr);
  }
  return std::chrono::seconds(30 + static_cast<std::int64_t>(20 * std::clamp(seconds, 0.0, 1e6)));
}

// In a child: a call of the shared object may crash, or hang, also after it was tried.
int run_guarded(std::chrono::seconds patience) {
  const auto status = harness::guarded(
      [](harness::Doing& doing) {
        g_doing = &doing;
        return std::to_string(run_registered());
      },
      patience);
  if (status) return std::stoi(*status);
  std::cerr << "fsqlshm-bench: " << status.error().text() << '\n';
  return kExitFound;
}

int run(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    fmt::print("fsqlshm-bench {}\n", FSQLSHM_VERSION);
    return kExitClean;
  }
  const std::chrono::seconds silence = patience(argc, argv);  // before its flags are taken away
  benchmark::Initialize(&argc, argv, print_help);
  const auto settings = parse(argc, argv);
  if (!settings) {
    std::cerr << fmt::format("fsqlshm-bench: not understood: {} (--help shows the flags)\n",
                             settings.error());
    return kExitCouldNotRun;
  }
  const Cases cases = all_cases(*settings);
  for (const Case& one : cases) register_case(one);
  add_context(*settings);
  return settings->subject ? run_guarded(silence) : run_registered();
}

}  // namespace
}  // namespace fsqlshm::bench

int main(int argc, char** argv) {
  try {
    return fsqlshm::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "fsqlshm-bench: " << error.what() << '\n';
    return 2;
  }
}
