// fsqlshm-bench: times of single operations, this library's and what it is compared with, in one
// process and in random order.
//
// `details` of its result document:
//   context     compiler, build_type, cpus (processors it may use), pinned, min_time_seconds
//   benchmarks  list of {name, arg (number or null), clock: "cpu" or "real",
//               ns: [one a repetition, by that clock], real_ns: [the same by the wall],
//               iterations: [...], counters: {name: [...]}, racy: bool}
//   complexity  list of {name, big_o, coefficient_ns, rms}: Google Benchmark's fit over the args

#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <cmath>
#include <map>
#include <regex>
#include <set>
#include <thread>

#include "cases.h"
#include "context.h"
#include "harness/program.h"
#include "harness/result.h"
#include "harness/run.h"

namespace fsqlshm::bench {
namespace {

struct Options {
  std::string filter = ".";
  double min_time = 0.05;
  int repetitions = 1;
  std::string shard = "1/1";
  bool list = false;
  bool quiet = false;
};

Cases all_cases() {
  Cases cases;
  add_read_cases(cases);
  add_publish_cases(cases);
  add_header_cases(cases);
  add_writer_cases(cases);
  add_growth_cases(cases);
  add_sharing_cases(cases);
  return cases;
}

/// Why a benchmark has no result, by name. Google Benchmark has errors of its own, but those crash
/// it when it fits complexities.
struct Troubles {
  std::map<std::string, std::string> wrong;   // the operation did not do what it should
  std::map<std::string, std::string> failed;  // it could not be set up
  std::set<std::string> interrupted;

  [[nodiscard]] bool has(const std::string& name) const {
    return wrong.contains(name) || failed.contains(name) || interrupted.contains(name);
  }
};

void run_body(const Case& one, benchmark::State& state, Troubles& troubles) {
  if (harness::stop_requested()) {
    troubles.interrupted.insert(one.name);
  } else {
    try {
      one.body(state);
    } catch (const WrongResult& wrong) {
      troubles.wrong.emplace(one.name, wrong.what());
    } catch (const std::exception& error) {
      troubles.failed.emplace(one.name, error.what());
    }
  }
  // Every run must have had its loop.
  if (state.iterations() == 0) {
    for (auto _ : state) {
    }
    state.SetComplexityN(1);
  }
}

void register_case(const Case& one, const Options& options, Troubles& troubles) {
  auto* const registered = benchmark::RegisterBenchmark(
      one.name.c_str(),
      [&one, &troubles](benchmark::State& state) { run_body(one, state, troubles); });
  for (const std::int64_t arg : one.args) registered->Arg(arg);
  registered->MinTime(options.min_time)->Repetitions(options.repetitions);
  if (one.clock == Clock::kReal) registered->UseRealTime();
  if (one.complexity) registered->Complexity();
}

/// Keeps every repetition; also prints as usual unless it is to be quiet.
class Collector : public benchmark::ConsoleReporter {
 public:
  Collector(harness::Result& result, const Troubles& troubles, std::size_t expected, bool quiet)
      : ConsoleReporter(OO_None),
        result_(result),
        troubles_(troubles),
        progress_("bench", std::chrono::duration<double>(0)),
        expected_(expected),
        quiet_(quiet) {
    result_.details["benchmarks"] = nlohmann::json::array();
    result_.details["complexity"] = nlohmann::json::array();
  }

  bool ReportContext(const Context& context) override {
    return quiet_ || ConsoleReporter::ReportContext(context);
  }

  void ReportRuns(const std::vector<Run>& runs) override {
    if (!quiet_) ConsoleReporter::ReportRuns(runs);
    for (const Run& run : runs) add(run);
    progress_.update(
        fmt::format("{} of {} benchmarks", result_.details["benchmarks"].size(), expected_));
  }

 private:
  void add(const Run& run) {
    if (troubles_.has(run.run_name.function_name)) return;
    if (run.run_type == Run::RT_Iteration) {
      add_time(run);
    } else if (run.aggregate_name == "BigO") {
      result_.details["complexity"].push_back({{"name", run.run_name.function_name},
                                               {"big_o", big_o_name(run.complexity)},
                                               {"coefficient_ns", run.GetAdjustedRealTime()}});
    } else if (run.aggregate_name == "RMS" && !result_.details["complexity"].empty()) {
      result_.details["complexity"].back()["rms"] = run.GetAdjustedRealTime();
    }
  }

  void add_time(const Run& run) {
    auto& list = result_.details["benchmarks"];
    const auto [at, added] = index_.try_emplace(run.benchmark_name(), list.size());
    if (added) {
      const std::string& arg = run.run_name.args;
      list.push_back({{"name", run.run_name.function_name},
                      {"arg", arg.empty() ? nlohmann::json() : nlohmann::json(std::stoll(arg))},
                      {"clock", run.run_name.time_type == "real_time" ? "real" : "cpu"},
                      {"ns", nlohmann::json::array()},
                      {"real_ns", nlohmann::json::array()},
                      {"iterations", nlohmann::json::array()},
                      {"counters", nlohmann::json::object()},
                      {"racy", run.run_name.function_name.find("/plain_") != std::string::npos}});
    }
    auto& entry = list[at->second];
    entry["ns"].push_back(entry["clock"] == "real" ? run.GetAdjustedRealTime()
                                                   : run.GetAdjustedCPUTime());
    entry["real_ns"].push_back(run.GetAdjustedRealTime());
    entry["iterations"].push_back(run.iterations);
    for (const auto& [name, counter] : run.counters) {
      entry["counters"][name].push_back(counter.value);
    }
    result_.counts["measurements"] = result_.counts.value("measurements", 0) + 1;
  }

  static const char* big_o_name(benchmark::BigO big_o) {
    switch (big_o) {
      case benchmark::oN:
        return "N";
      case benchmark::oNSquared:
        return "N^2";
      case benchmark::oNCubed:
        return "N^3";
      case benchmark::oLogN:
        return "log N";
      case benchmark::oNLogN:
        return "N log N";
      case benchmark::o1:
        return "1";
      default:
        return "?";
    }
  }

  harness::Result& result_;
  const Troubles& troubles_;
  harness::Progress progress_;
  std::size_t expected_;
  bool quiet_;
  std::map<std::string, std::size_t> index_;  // benchmark name to place in the list
};

std::expected<Cases, std::string> selected_cases(const Options& options) {
  const auto shard = harness::Shard::parse(options.shard);
  if (!shard) return std::unexpected(shard.error());
  Cases cases;
  try {
    const std::regex filter(options.filter);
    for (Case& one : all_cases()) {
      if (std::regex_search(one.name, filter)) cases.push_back(std::move(one));
    }
  } catch (const std::regex_error&) {
    return std::unexpected(
        fmt::format("--filter \"{}\" is not a regular expression", options.filter));
  }
  const auto range = shard->range(cases.size());
  cases = Cases(cases.begin() + static_cast<std::ptrdiff_t>(range.first),
                cases.begin() + static_cast<std::ptrdiff_t>(range.last));
  if (cases.empty()) return std::unexpected("no benchmark matches; --list shows their names");
  return cases;
}

harness::ExitCode run(const harness::Program& program, const Options& options) {
  const auto cases = selected_cases(options);
  if (!cases) return program.refuse(cases.error());
  if (options.list) {
    for (const Case& one : *cases) fmt::print("{}\n", one.name);
    return harness::kExitClean;
  }
  harness::Result result("bench", "operations");
  result.budget = {{"min_time_seconds", options.min_time}, {"repetitions", options.repetitions}};
  result.details["context"] = context();

  std::vector<std::string> words = {"fsqlshm-bench", "--benchmark_enable_random_interleaving=true"};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  Troubles troubles;
  std::size_t expected = 0;
  for (const Case& one : *cases) {
    register_case(one, options, troubles);
    expected += std::max<std::size_t>(1, one.args.size());
  }
  Collector collector(result, troubles, expected, options.quiet);
  {
    // While a program has but one thread, the C library's locks skip their atomic operations. What
    // is measured here is a program with threads.
    const std::jthread second_thread([](const std::stop_token& stop) {
      while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    });
    benchmark::RunSpecifiedBenchmarks(&collector);
  }
  benchmark::Shutdown();

  for (const auto& [name, text] : troubles.wrong) {
    result.findings.push_back({.severity = "violation",
                               .property = "what is measured works",
                               .title = fmt::format("{}: {}", name, text),
                               .replay = fmt::format("fsqlshm-bench --filter '^{}$'", name)});
  }
  for (const auto& [name, text] : troubles.failed) {
    result.could_not_run = fmt::format("{}: {}", name, text);
  }
  if (!troubles.interrupted.empty()) result.could_not_run = "interrupted";
  result.headline =
      fmt::format("{} measurements of {} operations", result.counts.value("measurements", 0),
                  result.details["benchmarks"].size());
  for (const harness::Finding& finding : result.findings) fmt::print("FOUND {}\n", finding.title);
  return program.finish(result);
}

}  // namespace
}  // namespace fsqlshm::bench

int main(int argc, char** argv) {
  fsqlshm::bench::Options options;
  fsqlshm::harness::Program program(
      "fsqlshm-bench",
      "Times of this library's operations and of what they are compared with, in random order.\n"
      "scripts/bench runs it several times, compares runs and draws the tables.");
  program.add({.name = "--filter",
               .target = &options.filter,
               .help = "only benchmarks whose name matches this regex"});
  program.add({.name = "--min-time",
               .target = &options.min_time,
               .help = "seconds for each measurement",
               .check = fsqlshm::harness::number(1e-4, 3600)});
  program.add({.name = "--repetitions",
               .target = &options.repetitions,
               .help = "measurements of each benchmark",
               .check = fsqlshm::harness::whole_number(1, 10000)});
  program.add_documents();
  program.add({.name = "--shard",
               .target = &options.shard,
               .help = "I/N: only part I of N of the benchmarks"});
  program.add({.name = "--list", .target = &options.list, .help = "print the names and end"});
  program.add({.name = "--quiet", .target = &options.quiet, .help = "no table on standard output"});
  return program.run(argc, argv, [&] { return fsqlshm::bench::run(program, options); });
}
