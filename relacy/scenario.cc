#include "scenario.h"

#include <algorithm>
#include <utility>

namespace fsqlshm::relacy {

const std::vector<Subject>& subjects() {
  static const std::vector<Subject> kAll = [] {
    std::vector<Subject> list;
    harness::for_each_subject([&list]<class Protocol>(harness::ScenarioSubject subject) {
      list.push_back({std::move(subject), [](const Scenario& scenario) {
                        return harness::make_header<Protocol>(Checker::get(), RelacyWords(),
                                                              scenario);
                      }});
    });
    return list;
  }();
  return kAll;
}

const Subject* find_subject(std::string_view name) {
  const auto found = std::ranges::find(subjects(), name, &Subject::name);
  return found == subjects().end() ? nullptr : &*found;
}

}  // namespace fsqlshm::relacy
