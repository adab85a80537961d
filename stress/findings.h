// Findings of many points: of one kind only the first is kept, and known defects are expected.

#ifndef FSQLSHM_STRESS_FINDINGS_H_
#define FSQLSHM_STRESS_FINDINGS_H_

#include <initializer_list>
#include <string_view>

#include "harness/result.h"
#include "harness/subject.h"

namespace fsqlshm::stress {

/// Keeps the first of the findings with one property and one title; the others are counted in its
/// detail.
void fold_findings(harness::Result& result);

/// Sets what a finding about `subject` counts as, by what that promises and knows of; a defect that it does not know
/// of is not named.
void classify(const harness::Subject& subject, harness::Finding& finding);

/// Keeps one finding, now "expected", for each of these defects, and adds a vacuous one for each of
/// `certain` that is missing; `possible` may be missing. Other findings stay. Adds
///   details.defects_found  {"D3": bool}
void expect_defects(harness::Result& result, std::initializer_list<std::string_view> certain,
                    std::initializer_list<std::string_view> possible = {});
/// The same with those of them that `subject` is known to have.
void expect_defects(harness::Result& result, const harness::Subject& subject,
                    std::initializer_list<std::string_view> certain,
                    std::initializer_list<std::string_view> possible = {});

}  // namespace fsqlshm::stress

#endif  // FSQLSHM_STRESS_FINDINGS_H_
