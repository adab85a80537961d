// The protocols that the scenarios run against.

#ifndef FSQLSHM_RELACY_SUBJECTS_H_
#define FSQLSHM_RELACY_SUBJECTS_H_

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "scenario.h"

namespace fsqlshm::relacy {

struct Subject {
  std::string name;
  std::string description;
  std::unique_ptr<Header> (*make_header)();
  /// A mutant: this scenario must notice ...
  std::string caught_by{};
  /// ... that a property whose name starts like this does not hold.
  std::string caught_property{};

  [[nodiscard]] bool is_mutant() const noexcept { return !caught_by.empty(); }
};

/// hardened, reference and the mutants.
[[nodiscard]] const std::vector<Subject>& subjects();
[[nodiscard]] const Subject* find_subject(std::string_view name);

/// Whether this scenario has to end in a violation on this subject.
[[nodiscard]] bool must_fail(const Subject& subject, const Scenario& scenario);

template <class Protocol>
std::unique_ptr<Header> make_header() {
  return std::make_unique<HeaderOf<Protocol>>();
}

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SUBJECTS_H_
