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

using fsqlshm::harness::ExitCode;
using fsqlshm::harness::kMostSeconds;
using fsqlshm::harness::number;
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

std::string quoted(const std::string& word) {
  if (word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                             "-_=./,:") == std::string::npos &&
      !word.empty()) {
    return word;
  }
  std::string out = "'";
  for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The command that was given, with the seed that was drawn if none was, and without what only says
// where the results go.
std::string replay_command(int argc, char** argv, const CLI::App& app, std::uint64_t seed) {
  std::string command = quoted(argv[0]);
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--json" || word == "--junit") {
      ++i;
    } else if (word != "--quiet" && !word.starts_with("--json=") && !word.starts_with("--junit=")) {
      command += " " + quoted(argv[i]);
    }
  }
  if (app.count("--seed") == 0) command += fmt::format(" --seed {}", seed);
  return command;
}

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

void add_run_options(CLI::App& app, Options& options) {
  RunConfig& run = options.run;
  app.add_option("--workers", run.workers, "processes")
      ->check(CLI::Range(1U, static_cast<unsigned>(kMaxWorkers)))
      ->capture_default_str();
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
    app.add_option(fmt::format("--{}s", kRoleNames[role]), run.worker.threads[role],
                   kRoleHelp[role])
        ->check(CLI::Range(0U, 8U))
        ->capture_default_str();
  }
  app.add_option("--seconds", run.seconds, "wall time; 0: until interrupted or --kills")
      ->check(number(0, kMostSeconds))
      ->capture_default_str();
  app.add_option("--chaos", options.chaos,
                 "kill (SIGKILL and a new process), stop (SIGSTOP, then SIGCONT), or none")
      ->delimiter(',')
      ->check(CLI::IsMember({"kill", "stop", "none"}))
      ->capture_default_str();
  app.add_option("--chaos-rate", run.chaos_rate, "acts of chaos a second")
      ->check(number(0.001, 1e6))
      ->capture_default_str();
  app.add_option("--kills", run.kills, "end after so many kills; 0: no such end")
      ->check(whole_number(0))
      ->capture_default_str();
  app.add_option("--perturb", run.worker.perturb,
                 "disturb the timing before one atomic operation in so many; 0: never")
      ->check(whole_number(0))
      ->capture_default_str();
  app.add_option("--publish-rate", run.worker.publish_rate,
                 "publishes a second, all publishers together; 0: no limit")
      ->check(number(0, 1e9))
      ->capture_default_str();
  app.add_option("--dir", options.dir, "where the file lies (default: /dev/shm)")
      ->check(CLI::ExistingDirectory);
  app.add_option("--plant", options.plant, "plant a fault in the workers, to see that it is found")
      ->check(CLI::IsMember({"none", "race", "crash", "hang", "violation"}))
      ->capture_default_str();
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

ExitCode attack(Program& program, Options& options, int argc, char** argv) {
  const auto shard = fsqlshm::harness::Shard::parse(options.shard);
  if (!shard) return program.refuse(shard.error());
  if (const auto wrong = apply_chaos(options)) return program.refuse(*wrong);
  const CLI::App& app = program.options();
  const auto asked = [&](const char* name) { return app.get_subcommand(name)->parsed(); };
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
  for (auto& finding : result.findings) {
    finding.replay = replay_command(argc, argv, app, options.seed);
  }
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
  CLI::App& app = program.options();
  app.fallthrough();
  app.require_subcommand(0, 1);
  app.add_option("--protocol", options.protocol, "what to attack")
      ->check(CLI::IsMember({"hardened", "reference"}))
      ->capture_default_str();
  app.add_option("--seed", options.seed, "what every choice follows from (default: drawn)")
      ->check(whole_number(0));
  app.add_option("--shard", options.shard, "I/N: part I of N machines; changes the seed")
      ->capture_default_str();
  program.add_documents();
  app.add_flag("--quiet", options.run.quiet, "no progress line");
  app.add_flag("--expect-defects", options.expect_defects,
               "with the reference: its known defects are expected, and missing ones are findings");
  app.add_subcommand("run", "workers in many roles, with chaos (default)");
  add_run_options(app, options);
  app.add_subcommand("crash-points", "die and stop before every atomic step of every operation");
  CLI::App* const outcomes =
      app.add_subcommand("outcomes", "small races, and which of their outcomes are seen");
  outcomes->add_option("--iterations", options.outcomes.iterations, "of each race")
      ->check(whole_number(1))
      ->capture_default_str();
  outcomes->add_option("--race-seconds", options.outcomes.race_seconds, "most time for one race")
      ->check(number(0.001, kMostSeconds))
      ->capture_default_str();
  CLI::App* const recovery = app.add_subcommand(
      "recovery", "time from the death of a publisher in the middle to the next good read");
  recovery->add_option("--deaths", options.recovery.deaths, "publishers to kill")
      ->check(whole_number(1))
      ->capture_default_str();
  CLI::App* const verification =
      app.add_subcommand("verification", "what it costs to verify every read");
  verification->add_option("--rounds", options.verification.rounds, "with and without, in turn")
      ->check(whole_number(1))
      ->capture_default_str();
  verification->add_option("--run-seconds", options.verification.seconds, "of each run")
      ->check(number(0.01, kMostSeconds))
      ->capture_default_str();
  return program.run(argc, argv, [&] { return attack(program, options, argc, argv); });
}
