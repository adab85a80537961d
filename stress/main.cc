// fsqlshm-stress: real processes over a real mapping.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <random>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/program.h"
#include "harness/result.h"
#include "harness/run.h"
#include "harness/subject.h"
#include "stress/crash_points.h"
#include "stress/findings.h"
#include "stress/litmus.h"
#include "stress/recovery.h"
#include "stress/runner.h"
#include "stress/verification.h"

namespace {

// NOLINTBEGIN(google-build-using-namespace): the program is about nothing else
using namespace fsqlshm::harness;
using namespace fsqlshm::stress;
// NOLINTEND(google-build-using-namespace)

// The words of options, and what each means.
constexpr auto kPlants =
    std::to_array<std::pair<std::string_view, Plant>>({{"none", Plant::kNone},
                                                       {"race", Plant::kDataRace},
                                                       {"crash", Plant::kCrash},
                                                       {"hang", Plant::kHang},
                                                       {"violation", Plant::kViolation},
                                                       {"no-turn", Plant::kNoTurn},
                                                       {"reconcile", Plant::kReconcile},
                                                       {"keeps-lock", Plant::kKeepsLock}});
constexpr auto kUntil = std::to_array<std::pair<std::string_view, Until>>(
    {{"time", Until::kTime}, {"found", Until::kFound}, {"reached", Until::kReached}});

auto word_of(const auto& table) {
  const auto words = std::views::keys(table);
  return one_of({words.begin(), words.end()});
}

auto meaning(const auto& table, std::string_view word) {
  return std::ranges::find(table, word, [](const auto& entry) { return entry.first; })->second;
}

struct Options {
  Setting setting{};
  RunConfig run{};
  LitmusConfig litmus{};
  VerificationConfig verification{};
  std::uint64_t deaths = 500;
  std::string protocol = "hardened";
  std::string subject;
  std::string plant = "none";
  std::string until = "time";
  std::string dir;
  std::string shard = "1/1";
  std::vector<std::string> chaos = {"kill", "exec", "stop"};
};

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

void run(Options& options, Result& result) {
  const Setting& setting = options.setting;
  options.run.until = meaning(kUntil, options.until);
  options.run.dir = setting.dir;
  options.run.quiet = setting.quiet;
  options.run.subject = setting.subject ? &*setting.subject : nullptr;
  options.run.title = "stress " + (setting.subject ? setting.subject->name() : options.protocol);
  options.run.worker.reference = setting.reference;
  options.run.worker.plant = meaning(kPlants, options.plant);
  options.run.worker.seed = setting.seed + (Shard::parse(options.shard)->index - 1) * 0x10001;
  run_stress(options.run, result);
  if (setting.subject) {
    // One of them may keep the others from showing: who is locked out releases nothing.
    const bool some = std::ranges::any_of(
        result.findings, [](const Finding& finding) { return !finding.defect.empty(); });
    if (some) {
      expect_defects(result, *setting.subject, {}, {"D2", "D3", "D5"});
    } else {
      expect_defects(result, *setting.subject, {"D3"}, {"D2", "D5"});
    }
  } else if (setting.expect_defects) {
    expect_defects(result, {"D3"}, {"D2", "D5"});
  }
  print_counts(result);
}

struct Command {
  const char* name;
  const char* does;
  std::function<void(Result&)> act;
  std::vector<Option> options{};
  const char* needs = "";  // why it cannot attack a shared object; empty: it can
};

// The first one is what runs if no command is given.
std::vector<Command> commands(Options& o) {
  return {
      {"run", "workers in many roles, with chaos (default)", [&](Result& r) { run(o, r); }},
      {.name = "crash-points",
       .does = "die and stop before every atomic step of every operation",
       .act = [&](Result& r) { run_crash_points(o.setting, r); },
       .needs = "its steps are those of our seam; fsqlshm-step kills a shared object before every "
                "access"},
      {"outcomes",
       "litmus tests: small races, and which of their outcomes are seen",
       [&](Result& r) { run_litmus(o.setting, o.litmus, r); },
       {{"--iterations", &o.litmus.iterations, "of each race", whole_number(1)},
        {"--race-seconds", &o.litmus.race_seconds,
         "most time for one race; one whose operations have not met by then goes on for ten times "
         "as long, at least 15 s in all",
         number(0.001, kMostSeconds)}}},
      {"recovery",
       "time from the death of a publisher in the middle to the next good read",
       [&](Result& r) { run_recovery(o.setting, o.deaths, r); },
       {{"--deaths", &o.deaths, "publishers to kill", whole_number(1)}},
       "it times the publication lock of our files"},
      {"verification",
       "what it costs to check every read",
       [&](Result& r) { run_verification(o.setting, o.verification, r); },
       {{"--rounds", &o.verification.rounds, "with and without, in turn", whole_number(1)},
        {"--run-seconds", &o.verification.seconds, "of each run", number(0.01, kMostSeconds)}},
       "it measures the checks of runs on our files"},
  };
}

// --- Options -------------------------------------------------------------------------------------

std::vector<Option> general_options(Options& options) {
  return {
      {.name = "--protocol",
       .target = &options.protocol,
       .help = "what to attack",
       .check = one_of({"hardened", "reference"}),
       .excludes = {"--subject"}},
      subject_option(options.subject),
      {"--seed", &options.setting.seed, "what every choice follows from (default: drawn)",
       whole_number(0)},
      {"--shard", &options.shard, "I/N: part I of N machines; changes the seed", shard()},
      {"--quiet", &options.setting.quiet, "no progress line"},
      {"--expect-defects", &options.setting.expect_defects,
       "with the reference: its known defects are expected, and missing ones are findings (with a "
       "subject always)"},
      {"--dir", &options.dir, "where the file lies (default: /dev/shm)", existing_folder()},
  };
}

std::vector<Option> run_options(Options& options) {
  RunConfig& run = options.run;
  std::vector<Option> all = {
      {"--workers", &run.workers, "processes", whole_number(1, kMaxWorkers)},
      {"--seconds", &run.seconds, "wall time; 0: until interrupted or --kills",
       number(0, kMostSeconds)},
      {"--chaos", &options.chaos,
       "kill (SIGKILL and a new process), exec (another program, and a new process), stop "
       "(SIGSTOP, "
       "then SIGCONT), or none",
       one_of({"kill", "exec", "stop", "none"})},
      {"--chaos-rate", &run.chaos_rate, "acts of chaos a second", number(0.001, 1e6)},
      {"--kills", &run.kills, "end after so many kills; 0: no such end", whole_number(0)},
      {"--until", &options.until,
       "end before --seconds: at the first finding, one that is expected too (found); also when "
       "all "
       "has happened that must happen in a run (reached)",
       word_of(kUntil)},
      {"--perturb", &run.worker.perturb,
       "disturb the timing before one atomic operation in so many; 0: never", whole_number(0)},
      {"--publish-rate", &run.worker.publish_rate,
       "publishes a second, all publishers together; 0: no limit", number(0, 1e9)},
      {"--plant", &options.plant, "plant a fault in the workers, to see that it is found",
       word_of(kPlants)},
  };
  for (Role& role : run.worker.roles) {
    all.push_back({role.option(), &role.threads, "threads of each worker that " + role.does,
                   whole_number(0, 8)});
  }
  return all;
}

// Chaos as given. What makes no sense in `options`, or nothing.
std::optional<std::string> apply_chaos(Options& options) {
  const auto has = [&](const char* word) {
    return std::ranges::find(options.chaos, word) != options.chaos.end();
  };
  options.run.kill = has("kill");
  options.run.exec = has("exec");
  options.run.stop = has("stop");
  if (has("none") && (options.run.kill || options.run.exec || options.run.stop)) {
    return "--chaos: none excludes kill, exec and stop";
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

// Why a subject cannot be attacked like this, or nothing.
std::optional<std::string> refuse_subject(Options& options, const Command& command) {
  if (options.subject.empty()) return std::nullopt;
  if (*command.needs != '\0') {
    return fmt::format("{} cannot take a subject: {}", command.name, command.needs);
  }
  options.run.worker.only_of_the_header();
  if (options.run.worker.threads().empty()) {
    return "the roles that have threads need a file, and a subject has none";
  }
  return std::nullopt;
}

// The result to fill; it could not run if the subject cannot be loaded.
Result result_of(Options& options) {
  if (options.subject.empty()) return {"stress", options.protocol};
  auto subject = Subject::load(options.subject);
  if (!subject) {
    Result result("stress", options.subject);
    result.could_not_run = subject.error();
    return result;
  }
  options.setting.subject = *std::move(subject);
  Result result("stress", options.setting.subject->name());
  result.details["subject"] = options.setting.subject->describe();
  return result;
}

ExitCode attack(const Program& program, Options& options, const std::vector<Command>& commands) {
  if (const auto wrong = apply_chaos(options)) return program.refuse(*wrong);
  const auto asked = std::ranges::find_if(
      commands, [&](const Command& command) { return program.given(command.name); });
  const Command& command = asked == commands.end() ? commands.front() : *asked;
  if (const auto wrong = refuse_subject(options, command)) return program.refuse(*wrong);
  Setting& setting = options.setting;
  setting.dir = options.dir;
  setting.reference = options.protocol == "reference";
  setting.expect_defects = setting.expect_defects && setting.reference;
  Result result = result_of(options);
  result.seed = setting.seed;
  result.budget = {{"seconds", options.run.seconds}, {"shard", options.shard}};
  if (!result.could_not_run) command.act(result);

  // The same command repeats what was found, and what was missed.
  std::string replay = program.command_line();
  if (!program.given("--seed")) replay += fmt::format(" --seed {}", setting.seed);
  for (Finding& finding : result.findings) finding.replay = replay;
  print(result);
  return program.conclude(result);
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  std::random_device device;
  options.setting.seed = device();
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
