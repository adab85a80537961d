#include "subjects.h"

#include <fmt/format.h>

#include <utility>

namespace fsqlshm::relacy {

Subject broken_subject(std::string_view name, std::string description, std::string caught_by,
                       std::string property, ScenarioList scenarios) {
  return {.name = fmt::format("broken-{}", name),
          .description = std::move(description),
          .caught_by = std::move(caught_by),
          .caught_property = std::move(property),
          .scenarios = std::move(scenarios)};
}

std::vector<Subject>& subjects() {
  static std::vector<Subject> all = [] {
    std::vector<Subject> list;
    list.push_back({.name = "hardened",
                    .description = "the library's protocol",
                    .scenarios = hardened_scenarios()});
    list.push_back({.name = "reference",
                    .description = "as published: must show D1 to D6",
                    .scenarios = reference_scenarios()});
    add_broken_snapshot_subjects(list);
    add_broken_writer_subjects(list);
    return list;
  }();
  return all;
}

Subject* find_subject(std::string_view name) {
  for (Subject& subject : subjects()) {
    if (subject.name == name) return &subject;
  }
  return nullptr;
}

NamedScenario* find_scenario(Subject& subject, std::string_view name) {
  for (const auto& scenario : subject.scenarios) {
    if (scenario->spec().name == name) return scenario.get();
  }
  return nullptr;
}

}  // namespace fsqlshm::relacy
