#include "scenario.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/mutants/all.h"

namespace fsqlshm::relacy {
namespace {

template <class Protocol>
std::unique_ptr<Header> make_header(const Scenario& scenario) {
  return std::make_unique<harness::HeaderOf<Header, RelacyWords, Protocol>>(
      Checker::get(), RelacyWords(), Protocol::kName == HardenedProtocol::kName,
      Protocol::kName != ReferenceProtocol::kName, requires { Protocol::kFenceBeforeLock; },
      scenario.outcomes);
}

}  // namespace

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> kAll = [] {
    std::vector<Subject> list = {
        {"hardened", "the library's protocol", make_header<HardenedProtocol>},
        {"reference", "as published: must show D1 to D6", make_header<ReferenceProtocol>}};
    harness::mutants::for_each([&list]<class Mutant> {
      if constexpr (!Mutant::kInfo.scenario.empty()) {
        list.push_back({fmt::format("mutant-{}", Mutant::kInfo.name),
                        std::string(Mutant::kInfo.wrong), make_header<Mutant>,
                        std::string(Mutant::kInfo.scenario), std::string(Mutant::kInfo.property)});
      }
    });
    return list;
  }();
  return kAll;
}

const Subject* find_subject(std::string_view name) {
  const auto found = std::ranges::find(subjects(), name, &Subject::name);
  return found == subjects().end() ? nullptr : &*found;
}

bool must_fail(const Subject& subject, const Scenario& scenario) {
  if (subject.is_mutant()) return subject.caught_by == scenario.name;
  return scenario.misuse || (subject.name == "reference" && !scenario.defect.name.empty());
}

}  // namespace fsqlshm::relacy
