// fsqlshm-stress: real processes over a real mapping.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "harness/program.h"
#include "harness/result.h"
#include "harness/run.h"
#include "stress/crash_points.h"
#include "stress/outcomes.h"
#include "stress/recovery.h"
#include "stress/runner.h"
#include "stress/tsan.h"
#include "stress/verification.h"

namespace {

using fsqlshm::harness::existing_folder;
using fsqlshm::harness::ExitCode;
using fsqlshm::harness::kMostSeconds;
using fsqlshm::harness::number;
using fsqlshm::harness::one_of;
using fsqlshm::harness::Program;
using fsqlshm::harness::Result;
using fsqlshm::harness::whole_number;
using namespace fsqlshm::stress;

struct Options {
  RunConfig run{};
  OutcomesConfig outcomes{};
  RecoveryConfig recovery{};
  VerificationConfig verification{};
  std::uint64_t seed = 0;
  std::string protocol = "hardened";
  std::string plant = "none";
  std::string dir;
  std::string shard = "1/1";
  std::vector<std::string> chaos = {"kill", "stop"};
  bool expect_defects = false;
};

void print(const Result& result) {
  for (const auto& finding : result.findings) {
    fmt::print("{}: {}: {}\n", finding.severity, finding.property, finding.title);
    if (!finding.detail.empty()) fmt::print("{}\n", finding.detail);
    if (!finding.replay.empty()) fmt::print("reproduce: {}\n", finding.replay);
  }
}

void print_counts(const Result& result, double seconds) {
  for (const auto& [name, count] : result.counts.items()) {
    if (count == 0) continue;
    fmt::print("{:<24} {:>14}", name, count.get<std::uint64_t>());
    if (seconds > 0)
      fmt::print("  {:>10}/s", fsqlshm::harness::human(count.get<double>() / seconds));
    fmt::print("\n");
  }
}

ExitCode finish(const Program& program, const Result& result) {
  print(result);
  const ExitCode code = program.finish(result);
  fmt::print("{}\n", code == fsqlshm::harness::kExitClean ? "clean"
                     : code == fsqlshm::harness::kExitFound
                         ? fmt::format("{} finding(s)", result.findings.size())
                         : std::string("could not run"));
  return code;
}

void add_run_options(Program& program, Options& options) {
  RunConfig& run = options.run;
  program.add({.name = "--workers",
               .target = &run.workers,
               .help = "processes",
               .check = whole_number(1, kMaxWorkers)});
  static constexpr std::array<const char*, kRoles> kRoleHelp = {
      "threads of each worker that publish under the publication lock",
      "... that read and verify snapshots",
      "... that acquire and release the serialized writer, with leases",
      "... that check exclusion as concurrent writers",
      "... that allocate transaction ids",
      "... that move the gc horizon",
      "... that open the file again and validate it",
      "... that serialise the live header"};
  for (std::size_t role = 0; role < kRoles; ++role) {
    program.add({.name = fmt::format("--{}s", kRoleNames[role]),
                 .target = &run.worker.threads[role],
                 .help = kRoleHelp[role],
                 .check = whole_number(0, 8)});
  }
  program.add({.name = "--seconds",
               .target = &run.seconds,
               .help = "wall time; 0: until interrupted or --kills",
               .check = number(0, kMostSeconds)});
  program.add({.name = "--chaos",
               .target = &options.chaos,
               .help = "kill (SIGKILL and a new process), stop (SIGSTOP, then SIGCONT), or none",
               .check = one_of({"kill", "stop", "none"})});
  program.add({.name = "--chaos-rate",
               .target = &run.chaos_rate,
               .help = "acts of chaos a second",
               .check = number(0.001, 1e6)});
  program.add({.name = "--kills",
               .target = &run.kills,
               .help = "end after so many kills; 0: no such end",
               .check = whole_number(0)});
  program.add({.name = "--perturb",
               .target = &run.worker.perturb,
               .help = "disturb the timing before one atomic operation in so many; 0: never",
               .check = whole_number(0)});
  program.add({.name = "--publish-rate",
               .target = &run.worker.publish_rate,
               .help = "publishes a second, all publishers together; 0: no limit",
               .check = number(0, 1e9)});
  program.add({.name = "--dir",
               .target = &options.dir,
               .help = "where the file lies (default: /dev/shm)",
               .check = existing_folder()});
  program.add({.name = "--plant",
               .target = &options.plant,
               .help = "plant a fault in the workers, to see that it is found",
               .check = one_of({"none", "race", "crash", "hang", "violation"})});
}

void add_commands(Program& program, Options& options) {
  program.add_command("run", "workers in many roles, with chaos (default)");
  program.add_command("crash-points", "die and stop before every atomic step of every operation");
  program.add_command("outcomes", "small races, and which of their outcomes are seen",
                      {{.name = "--iterations",
                        .target = &options.outcomes.iterations,
                        .help = "of each race",
                        .check = whole_number(1)},
                       {.name = "--race-seconds",
                        .target = &options.outcomes.race_seconds,
                        .help = "most time for one race",
                        .check = number(0.001, kMostSeconds)}});
  program.add_command("recovery",
                      "time from the death of a publisher in the middle to the next good read",
                      {{.name = "--deaths",
                        .target = &options.recovery.deaths,
                        .help = "publishers to kill",
                        .check = whole_number(1)}});
  program.add_command("verification", "what it costs to verify every read",
                      {{.name = "--rounds",
                        .target = &options.verification.rounds,
                        .help = "with and without, in turn",
                        .check = whole_number(1)},
                       {.name = "--run-seconds",
                        .target = &options.verification.seconds,
                        .help = "of each run",
                        .check = number(0.01, kMostSeconds)}});
}

Plant plant_of(const std::string& name) {
  if (name == "race") return Plant::kDataRace;
  if (name == "crash") return Plant::kCrash;
  if (name == "hang") return Plant::kHang;
  return name == "violation" ? Plant::kViolation : Plant::kNone;
}

// Chaos as given. What makes no sense in `options`, or nothing.
std::optional<std::string> apply_chaos(Options& options) {
  const auto has = [&](const char* word) {
    return std::find(options.chaos.begin(), options.chaos.end(), word) != options.chaos.end();
  };
  options.run.kill = has("kill");
  options.run.stop = has("stop");
  if (has("none") && (options.run.kill || options.run.stop)) {
    return "--chaos: none excludes kill and stop";
  }
  if (options.run.kills != 0 && !options.run.kill) return "--kills needs --chaos kill";
  if (std::ranges::all_of(options.run.worker.threads, [](unsigned count) { return count == 0; })) {
    return "no role has a thread: nothing would be tested";
  }
  return std::nullopt;
}

ExitCode attack(Program& program, Options& options) {
  const auto shard = fsqlshm::harness::Shard::parse(options.shard);
  if (!shard) return program.refuse(shard.error());
  if (const auto wrong = apply_chaos(options)) return program.refuse(*wrong);
  const auto asked = [&](const char* command) { return program.given(command); };
  const bool reference = options.protocol == "reference";
  options.run.worker.protocol = reference ? ProtocolName::kReference : ProtocolName::kHardened;
  options.run.worker.plant = plant_of(options.plant);
  options.run.dir = options.dir;

  Result result("stress", options.protocol);
  result.seed = options.seed;
  result.budget = {{"seconds", options.run.seconds}, {"shard", options.shard}};
  const bool expect = options.expect_defects && reference;
  if (asked("crash-points")) {
    run_crash_points({.reference = reference,
                      .expect_defects = expect,
                      .dir = options.run.dir,
                      .quiet = options.run.quiet},
                     result);
  } else if (asked("outcomes")) {
    options.outcomes.reference = reference;
    options.outcomes.expect_defects = expect;
    options.outcomes.quiet = options.run.quiet;
    run_outcomes(options.outcomes, result);
  } else if (asked("recovery")) {
    options.recovery.dir = options.run.dir;
    options.recovery.quiet = options.run.quiet;
    run_recovery(options.recovery, result);
  } else if (asked("verification")) {
    options.verification.dir = options.run.dir;
    options.verification.seed = options.seed;
    options.verification.quiet = options.run.quiet;
    run_verification(options.verification, result);
  } else {
    options.run.worker.seed = options.seed + (shard->index - 1) * 0x10001;
    run_stress(options.run, result);
    if (expect) expect_defects(result, {"D3"}, {"D2", "D5"});
    print_counts(result, result.details.value("run_seconds", 0.0));
  }
  // Whatever was found, and whatever was missed, the same command repeats it.
  std::string replay = program.command_line();
  if (!program.given("--seed")) replay += fmt::format(" --seed {}", options.seed);
  for (auto& finding : result.findings) finding.replay = replay;
  return finish(program, result);
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
  program.add({.name = "--protocol",
               .target = &options.protocol,
               .help = "what to attack",
               .check = one_of({"hardened", "reference"})});
  program.add({.name = "--seed",
               .target = &options.seed,
               .help = "what every choice follows from (default: drawn)",
               .check = whole_number(0)});
  program.add({.name = "--shard",
               .target = &options.shard,
               .help = "I/N: part I of N machines; changes the seed"});
  program.add_documents();
  program.add({.name = "--quiet", .target = &options.run.quiet, .help = "no progress line"});
  program.add({.name = "--expect-defects",
               .target = &options.expect_defects,
               .help = "with the reference: its known defects are expected, and missing ones are "
                       "findings"});
  add_run_options(program, options);
  add_commands(program, options);
  return program.run(argc, argv, [&] { return attack(program, options); });
}
