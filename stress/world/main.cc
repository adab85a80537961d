// fsqlshm-world: what happens around the words.

#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <vector>

#include "harness/program.h"
#include "harness/result.h"
#include "harness/run.h"
#include "stress/world/catalogue.h"
#include "stress/world/events.h"
#include "stress/world/mutants.h"
#include "stress/world/power_loss/command.h"
#include "stress/world/scribbler/scribbler.h"

namespace fsqlshm::world {
namespace {

using harness::existing_folder;
using harness::ExitCode;
using harness::Finding;
using harness::kExitClean;
using harness::kMostSeconds;
using harness::number;
using harness::one_of;
using harness::Option;
using harness::Program;
using harness::Result;
using harness::Shard;
using harness::whole_number;

struct Options {
  CatalogueSetting setting{};
  std::string dir;
  std::string shard = "1/1";
  std::string replay;
  bool describe = false;
  power_loss::Command power_loss{};
  ScribblerOptions scribbler{};
};

constexpr const char* kScribbler = "scribbler";

std::vector<std::string> mutant_names() {
  std::vector<std::string> names;
  for (const Mutant& mutant : mutants()) names.emplace_back(mutant.name);
  return names;
}

std::vector<Option> options_of(Options& o) {
  return {
      {"--quick", &o.setting.quick, "one moment of every event and operation"},
      {"--cells", &o.setting.only, "EVENT:OPERATION, or EVENT: or :OPERATION, alone"},
      {"--replay",
       &o.replay,
       "EVENT:OPERATION:MOMENT, one cell with its trace",
       {},
       false,
       {},
       {"--quick", "--cells"}},
      {"--mutant", &o.setting.mutant,
       "attack the layer over a system that lies; finds it, and ends", one_of(mutant_names())},
      {"--describe", &o.describe, "print events, operations and mutants as JSON"},
      {"--jobs", &o.setting.jobs, "processes side by side (default: one for each processor)",
       whole_number(1, 256)},
      {"--seed", &o.setting.seed, "chooses the moments of a quick run", whole_number(0)},
      {"--shard", &o.shard, "I/N: part I of N machines", harness::shard()},
      {"--quiet", &o.setting.quiet, "no progress line"},
      {"--dir", &o.dir, "where the files lie (default: /dev/shm)", existing_folder()},
  };
}

void describe() {
  nlohmann::json all = {{"events", {}}, {"operations", {}}, {"mutants", {}}};
  for (const Event& event : events()) all["events"][event.name] = event.about;
  for (const Operation& operation : operations())
    all["operations"][operation.name] = operation.about;
  for (const Mutant& mutant : mutants()) {
    all["mutants"].push_back({{"name", mutant.name},
                              {"about", mutant.about},
                              {"property", mutant.property},
                              {"cell", mutant.cell}});
  }
  fmt::print("{}\n", all.dump(2));
}

void print(const Result& result) {
  for (const Finding& finding : result.findings) {
    fmt::print("{}: {}: {}\n{}\n", finding.severity, finding.property, finding.title,
               finding.detail);
    if (!finding.replay.empty()) fmt::print("reproduce: {}\n", finding.replay);
  }
  if (const auto skipped = result.details.find("skipped"); skipped != result.details.end()) {
    for (const auto& [event, why] : skipped->items()) {
      fmt::print("skipped: {}: {}\n", event, why.get<std::string>());
    }
  }
  if (!result.headline.empty()) fmt::print("{}\n", result.headline);
}

// Its lies begin with the program, so that is begun again.
void become_mutant(const std::string& name, char** argv) {
  const char* const now =
      std::getenv(kMutantVariable);  // NOLINT(concurrency-mt-unsafe): one thread yet
  if (name.empty() || (now != nullptr && name == now)) return;
  ::setenv(kMutantVariable, name.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): as above
  ::execv("/proc/self/exe", argv);
  throw std::system_error(errno, std::generic_category(), "cannot begin again as a mutant");
}

ExitCode attack(const Program& program, Options& options) {
  if (options.describe) {
    describe();
    return kExitClean;
  }
  CatalogueSetting& setting = options.setting;
  setting.dir = options.dir;
  setting.shard = *Shard::parse(options.shard);
  const std::string words = program.command_line();
  setting.program = words.substr(0, words.find(' '));
  const bool power_loss = program.given(power_loss::Command::kName);
  if (power_loss && options.power_loss.mutant() != "none") {
    setting.mutant = options.power_loss.mutant();
  }
  Result result("world", setting.mutant.empty() ? "hardened" : setting.mutant);
  result.seed = setting.seed;
  result.budget = {{"shard", options.shard}};
  if (power_loss) {
    options.power_loss.run({.quick = setting.quick,
                            .shard = setting.shard,
                            .seed = setting.seed,
                            .quiet = setting.quiet,
                            .program = setting.program},
                           result);
  } else if (program.given(kScribbler)) {
    options.scribbler.seed = setting.seed;
    options.scribbler.dir = setting.dir;
    options.scribbler.quiet = setting.quiet;
    run_scribbler(options.scribbler, result);
  } else if (options.replay.empty()) {
    if (!setting.mutant.empty() && setting.only.empty()) {
      setting.only = {find_mutant(setting.mutant)->cell};
    }
    run_catalogue(setting, result);
  } else {
    replay_cell(setting, options.replay, result);
  }
  print(result);
  const std::uint64_t tried = result.counts.value("cells", std::uint64_t{0}) +
                              result.counts.value("power_loss_images", std::uint64_t{0}) +
                              result.counts.value("calls", std::uint64_t{0});
  return program.conclude(result, tried != 0 ? "clean" : "nothing was tried");
}

int run(int argc, char** argv) {
  Options options;
  Program program(
      "fsqlshm-world",
      "What happens around the words: fork, exec, death, namespaces, limits, full "
      "disks, failing calls, lost files, at every moment of the file layer.\n"
      "Exit status: 0 clean, 1 something was found, 2 could not run or not to its end.");
  for (const Option& option : options_of(options)) program.add(option);
  program.add_documents();
  program.add_command(power_loss::Command::kName, power_loss::Command::kAbout,
                      options.power_loss.options());
  program.add_command(
      kScribbler, "a process writes anything to the words and the file",
      {{"--seconds", &options.scribbler.seconds, "how long", number(0.1, kMostSeconds)}});
  return program.run(argc, argv, [&] {
    become_mutant(options.setting.mutant, argv);
    return attack(program, options);
  });
}

}  // namespace
}  // namespace fsqlshm::world

int main(int argc, char** argv) { return fsqlshm::world::run(argc, argv); }
