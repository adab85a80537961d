#include "harness/scenarios/scenario.h"

#include <algorithm>
#include <utility>

namespace fsqlshm::harness {
namespace {

std::vector<Scenario>& list() {
  static std::vector<Scenario> all;
  return all;
}

}  // namespace

const std::vector<Scenario>& scenarios() { return list(); }

const Scenario* find_scenario(std::string_view name) {
  const auto found = std::ranges::find(list(), name, &Scenario::name);
  return found == list().end() ? nullptr : &*found;
}

AddScenario::AddScenario(Scenario scenario) { list().push_back(std::move(scenario)); }

}  // namespace fsqlshm::harness
