// fsqlshm-stress: real processes over a real mapping.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "harness/program.h"
#include "harness/result.h"
#include "harness/run.h"
#include "stress/crash_points.h"
#include "stress/findings.h"
#include "stress/litmus.h"
#include "stress/recovery.h"
#include "stress/runner.h"
#include "stress/verification.h"

namespace {

using namespace fsqlshm::harness;
using namespace fsqlshm::stress;

struct Options {
  RunConfig run{};
  LitmusConfig litmus{};
  RecoveryConfig recovery{};
  VerificationConfig verification{};
  std::uint64_t seed = 0;
  std::string protocol = "hardened";
  std::string plant = "none";
  std::string dir;
  std::string shard = "1/1";
  std::vector<std::string> chaos = {"kill", "stop"};
  bool expect_defects = false;

  [[nodiscard]] bool reference() const { return protocol == "reference"; }
};

const std::map<std::string, Plant> kPlants = {{"none", Plant::kNone},
                                              {"race", Plant::kDataRace},
                                              {"crash", Plant::kCrash},
                                              {"hang", Plant::kHang},
                                              {"violation", Plant::kViolation}};

// --- Commands ------------------------------------------------------------------------------------

void print_counts(const Result& result) {
  const double seconds = result.details.value("run_seconds", 0.0);
  for (const auto& [name, count] : result.counts.items()) {
    if (count == 0) continue;
    fmt::print("{:<24} {:>14}", name, count.get<std::uint64_t>());
    if (seconds > 0) fmt::print("  {:>10}/s", human(count.get<double>() / seconds));
    fmt::print("\n");
  }
}

void run(Options& options, bool expect, Result& result) {
  options.run.worker.reference = options.reference();
  options.run.worker.plant = kPlants.at(options.plant);
  options.run.worker.seed = options.seed + (Shard::parse(options.shard)->index - 1) * 0x10001;
  run_stress(options.run, result);
  if (expect) expect_defects(result, {"D3"}, {"D2", "D5"});
  print_counts(result);
}

void crash_points(Options& options, bool expect, Result& result) {
  run_crash_points({.reference = options.reference(),
                    .expect_defects = expect,
                    .dir = options.dir,
                    .quiet = options.run.quiet},
                   result);
}

void outcomes(Options& options, bool expect, Result& result) {
  options.litmus.reference = options.reference();
  options.litmus.expect_defects = expect;
  options.litmus.quiet = options.run.quiet;
  run_litmus(options.litmus, result);
}

void recovery(Options& options, bool /*expect*/, Result& result) {
  options.recovery.dir = options.dir;
  options.recovery.quiet = options.run.quiet;
  run_recovery(options.recovery, result);
}

void verification(Options& options, bool /*expect*/, Result& result) {
  options.verification.dir = options.dir;
  options.verification.seed = options.seed;
  options.verification.quiet = options.run.quiet;
  run_verification(options.verification, result);
}

struct Command {
  const char* name;
  const char* does;
  void (*act)(Options& options, bool expect, Result& result);
  std::vector<Option> options{};
};

// The first one is what runs if no command is given.
std::vector<Command> commands(Options& options) {
  return {
      {"run", "workers in many roles, with chaos (default)", run},
      {"crash-points", "die and stop before every atomic step of every operation", crash_points},
      {"outcomes",
       "litmus tests: small races, and which of their outcomes are seen",
       outcomes,
       {{.name = "--iterations",
         .target = &options.litmus.iterations,
         .help = "of each race",
         .check = whole_number(1)},
        {.name = "--race-seconds",
         .target = &options.litmus.race_seconds,
         .help = "most time for one race",
         .check = number(0.001, kMostSeconds)}}},
      {"recovery",
       "time from the death of a publisher in the middle to the next good read",
       recovery,
       {{.name = "--deaths",
         .target = &options.recovery.deaths,
         .help = "publishers to kill",
         .check = whole_number(1)}}},
      {"verification",
       "what it costs to check every read",
       verification,
       {{.name = "--rounds",
         .target = &options.verification.rounds,
         .help = "with and without, in turn",
         .check = whole_number(1)},
        {.name = "--run-seconds",
         .target = &options.verification.seconds,
         .help = "of each run",
         .check = number(0.01, kMostSeconds)}}},
  };
}

// --- Options -------------------------------------------------------------------------------------

std::vector<Option> general_options(Options& options) {
  return {
      {.name = "--protocol",
       .target = &options.protocol,
       .help = "what to attack",
       .check = one_of({"hardened", "reference"})},
      {.name = "--seed",
       .target = &options.seed,
       .help = "what every choice follows from (default: drawn)",
       .check = whole_number(0)},
      {.name = "--shard",
       .target = &options.shard,
       .help = "I/N: part I of N machines; changes the seed",
       .check =
           [](const std::string& text) {
             const auto shard = Shard::parse(text);
             return shard ? std::string() : shard.error();
           }},
      {.name = "--quiet", .target = &options.run.quiet, .help = "no progress line"},
      {.name = "--expect-defects",
       .target = &options.expect_defects,
       .help = "with the reference: its known defects are expected, and missing ones are findings"},
      {.name = "--dir",
       .target = &options.dir,
       .help = "where the file lies (default: /dev/shm)",
       .check = existing_folder()},
  };
}

std::vector<Option> run_options(Options& options) {
  RunConfig& run = options.run;
  std::vector<Option> all = {
      {.name = "--workers",
       .target = &run.workers,
       .help = "processes",
       .check = whole_number(1, kMaxWorkers)},
      {.name = "--seconds",
       .target = &run.seconds,
       .help = "wall time; 0: until interrupted or --kills",
       .check = number(0, kMostSeconds)},
      {.name = "--chaos",
       .target = &options.chaos,
       .help = "kill (SIGKILL and a new process), stop (SIGSTOP, then SIGCONT), or none",
       .check = one_of({"kill", "stop", "none"})},
      {.name = "--chaos-rate",
       .target = &run.chaos_rate,
       .help = "acts of chaos a second",
       .check = number(0.001, 1e6)},
      {.name = "--kills",
       .target = &run.kills,
       .help = "end after so many kills; 0: no such end",
       .check = whole_number(0)},
      {.name = "--perturb",
       .target = &run.worker.perturb,
       .help = "disturb the timing before one atomic operation in so many; 0: never",
       .check = whole_number(0)},
      {.name = "--publish-rate",
       .target = &run.worker.publish_rate,
       .help = "publishes a second, all publishers together; 0: no limit",
       .check = number(0, 1e9)},
      {.name = "--plant",
       .target = &options.plant,
       .help = "plant a fault in the workers, to see that it is found",
       .check = one_of({"none", "race", "crash", "hang", "violation"})},
  };
  for (Role& role : run.worker.roles) {
    all.push_back({.name = role.option(),
                   .target = &role.threads,
                   .help = "threads of each worker that " + role.does,
                   .check = whole_number(0, 8)});
  }
  return all;
}

// Chaos as given. What makes no sense in `options`, or nothing.
std::optional<std::string> apply_chaos(Options& options) {
  const auto has = [&](const char* word) {
    return std::ranges::find(options.chaos, word) != options.chaos.end();
  };
  options.run.kill = has("kill");
  options.run.stop = has("stop");
  if (has("none") && (options.run.kill || options.run.stop)) {
    return "--chaos: none excludes kill and stop";
  }
  if (options.run.kills != 0 && !options.run.kill) return "--kills needs --chaos kill";
  if (options.run.worker.threads().empty()) {
    return "no role has a thread: nothing would be tested";
  }
  return std::nullopt;
}

// --- The program ---------------------------------------------------------------------------------

void print(const Result& result) {
  for (const Finding& finding : result.findings) {
    fmt::print("{}: {}: {}{}\n", finding.severity, finding.property, finding.title,
               finding.defect.empty() ? "" : fmt::format(" ({})", finding.defect));
    if (!finding.detail.empty()) fmt::print("{}\n", finding.detail);
    if (!finding.replay.empty()) fmt::print("reproduce: {}\n", finding.replay);
  }
}

ExitCode attack(const Program& program, Options& options, const std::vector<Command>& commands) {
  if (const auto wrong = apply_chaos(options)) return program.refuse(*wrong);
  options.run.dir = options.dir;
  Result result("stress", options.protocol);
  result.seed = options.seed;
  result.budget = {{"seconds", options.run.seconds}, {"shard", options.shard}};
  const auto asked = std::ranges::find_if(
      commands, [&](const Command& command) { return program.given(command.name); });
  const Command& command = asked == commands.end() ? commands.front() : *asked;
  command.act(options, options.expect_defects && options.reference(), result);

  // The same command repeats what was found, and what was missed.
  std::string replay = program.command_line();
  if (!program.given("--seed")) replay += fmt::format(" --seed {}", options.seed);
  for (Finding& finding : result.findings) finding.replay = replay;
  print(result);
  const ExitCode code = program.finish(result);
  fmt::print("{}\n", code == kExitClean   ? "clean"
                     : code == kExitFound ? fmt::format("{} finding(s)", result.findings.size())
                                          : std::string("could not run"));
  return code;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::random_device device;
  options.seed = device();
  Program program(
      "fsqlshm-stress",
      "Stress the shared-memory header with real processes over a real mapping.\n"
      "Exit status: 0 clean, 1 something was found, 2 could not run or not to its end.");
  for (const Option& option : general_options(options)) program.add(option);
  program.add_documents();
  for (const Option& option : run_options(options)) program.add(option);
  const std::vector<Command> all = commands(options);
  for (const Command& command : all) {
    program.add_command(command.name, command.does, command.options);
  }
  return program.run(argc, argv, [&] { return attack(program, options, all); });
}
