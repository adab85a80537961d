// All subjects, and how one is added: a source in subjects/ calls add_subject, and CMakeLists.txt
// names that source.

#ifndef FSQLSHM_BENCH_SUBJECTS_H_
#define FSQLSHM_BENCH_SUBJECTS_H_

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cases.h"
#include "harness/subject.h"
#include "subject.h"
#include "tearing.h"
#include "workloads.h"

namespace fsqlshm::bench {

/// A subject without its type.
struct AnySubject {
  const SubjectFacts* facts;
  void (*add_workloads)(Cases&, const Settings&);
  std::optional<std::string> (*returns_what_was_published)();
  Seen (*read_against_publisher)(Where);
  std::optional<std::string> (*recovers)();  ///< null if it does not
};

/// In the order of their sources in CMakeLists.txt.
[[nodiscard]] std::vector<AnySubject>& all_subjects();

/// Subjects that need a package which was not there when this was built, with what to install: a
/// sentence each.
[[nodiscard]] const std::vector<std::string_view>& subjects_left_out();

/// Returns true, so that a source can call it before main.
template <Subject S>
bool add_subject() {
  all_subjects().push_back({.facts = &S::kFacts,
                            .add_workloads = add_workloads<S>,
                            .returns_what_was_published = returns_what_was_published<S>,
                            .read_against_publisher = read_against_publisher<S>,
                            .recovers = [] {
                              if constexpr (Recoverable<S>) return &recovers<S>;
                              return static_cast<std::optional<std::string> (*)()>(nullptr);
                            }()});
  return true;
}

/// Adds the shared object of --subject. REQUIRES: called at most once.
void add_shared_object(const harness::Subject& subject);

}  // namespace fsqlshm::bench

#endif  // FSQLSHM_BENCH_SUBJECTS_H_
