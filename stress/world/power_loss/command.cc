#include "stress/world/power_loss/command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace fsqlshm::world::power_loss {

std::vector<harness::Option> Command::options() {
  std::vector<std::string> types;
  for (const FileSystem& type : file_systems()) types.emplace_back(type.name);
  std::vector<std::string> all_operations;
  for (const Operation& operation : operations()) all_operations.emplace_back(operation.name);
  std::vector<std::string> names = {"none"};
  for (const Mutant mutant : mutants()) names.emplace_back(name_of(mutant));
  return {
      {"--file-system", &file_systems_, "these alone", harness::one_of(types)},
      {"--operation", &operations_, "these alone", harness::one_of(all_operations)},
      {"--mutant", &mutant_, "plant this fault, to see that it is found", harness::one_of(names)},
      {"--image", &image_, "one disk again, as a finding names it, with its story"},
  };
}

void Command::run(Options general, harness::Result& result) {
  general.operations = operations_;
  general.file_systems = file_systems_;
  const auto planted = std::ranges::find(mutants(), mutant_, [](Mutant m) { return name_of(m); });
  if (planted != mutants().end()) general.mutant = *planted;
  if (!image_.empty()) return replay_power_loss(image_, general, result);
  run_power_loss(general, result);
  if (!result.details.contains("power_loss")) return;
  for (const auto& row : result.details["power_loss"]) {
    fmt::print("{:6} {:26}", row["file_system"].get<std::string>(),
               row["operation"].get<std::string>());
    for (const char* count : {"moments", "runs", "images", "blocks_lost", "found"}) {
      fmt::print(" {:6} {}", row[count].get<std::uint64_t>(), count);
    }
    fmt::print("\n");
  }
}

}  // namespace fsqlshm::world::power_loss
