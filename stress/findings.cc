#include "stress/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>
#include <vector>

namespace fsqlshm::stress {

using harness::Finding;

void fold_findings(harness::Result& result) {
  std::vector<Finding> kept;
  std::map<std::pair<std::string, std::string>, std::size_t> seen;
  for (Finding& finding : result.findings) {
    if (seen[{finding.property, finding.title}]++ == 0) kept.push_back(std::move(finding));
  }
  for (Finding& finding : kept) {
    const std::size_t more = seen[{finding.property, finding.title}] - 1;
    if (more > 0) finding.detail += fmt::format("and at {} other points\n", more);
  }
  result.findings = std::move(kept);
}

void expect_defects(harness::Result& result, std::initializer_list<std::string_view> certain,
                    std::initializer_list<std::string_view> possible) {
  std::vector<Finding> kept;
  const auto take = [&](std::string_view defect, bool needed) {
    const auto first = std::ranges::find(result.findings, defect, &Finding::defect);
    const bool found = first != result.findings.end();
    result.details["defects_found"][std::string(defect)] = found;
    if (found) {
      kept.push_back(*first);
      kept.back().severity = "expected";
      std::erase_if(result.findings, [&](const Finding& f) { return f.defect == defect; });
    } else if (needed) {
      kept.push_back({.severity = "vacuous",
                      .property = "finds the known defects",
                      .defect = std::string(defect),
                      .title = fmt::format("{} was not found in the reference", defect)});
    }
  };
  for (const std::string_view defect : certain) take(defect, true);
  for (const std::string_view defect : possible) take(defect, false);
  std::ranges::move(result.findings, std::back_inserter(kept));
  result.findings = std::move(kept);
}

}  // namespace fsqlshm::stress
