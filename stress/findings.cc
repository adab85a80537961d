#include "stress/findings.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace fsqlshm::stress {

using harness::Finding;

namespace {

bool knows(const harness::Subject& subject, std::string_view defect) {
  return std::ranges::find(subject.known_defects(), defect) != subject.known_defects().end();
}

// Findings that are kept go back to the result at the end.
class Expectation {
 public:
  Expectation(harness::Result& result, std::string subject)
      : result_(result), subject_(std::move(subject)) {}
  Expectation(const Expectation&) = delete;
  Expectation& operator=(const Expectation&) = delete;
  ~Expectation() {
    std::ranges::move(result_.findings, std::back_inserter(kept_));
    result_.findings = std::move(kept_);
  }

  void take(std::string_view defect, bool needed) {
    const auto first = std::ranges::find(result_.findings, defect, &Finding::defect);
    const bool found = first != result_.findings.end();
    result_.details["defects_found"][std::string(defect)] = found;
    if (found) {
      kept_.push_back(*first);
      kept_.back().severity = "expected";
      std::erase_if(result_.findings, [&](const Finding& f) { return f.defect == defect; });
    } else if (needed && !result_.could_not_run) {
      kept_.push_back({.severity = "vacuous",
                       .property = "finds the known defects",
                       .defect = std::string(defect),
                       .title = fmt::format("{} was not found in {}", defect, subject_)});
    }
  }

 private:
  harness::Result& result_;
  std::string subject_;
  std::vector<Finding> kept_;
};

}  // namespace

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

void classify(const harness::Subject& subject, Finding& finding) {
  finding.severity = subject.severity(finding.property, finding.defect);
  if (!knows(subject, finding.defect)) finding.defect.clear();
}

void expect_defects(harness::Result& result, std::initializer_list<std::string_view> certain,
                    std::initializer_list<std::string_view> possible) {
  Expectation expectation(result, "the reference");
  for (const std::string_view defect : certain) expectation.take(defect, true);
  for (const std::string_view defect : possible) expectation.take(defect, false);
}

void expect_defects(harness::Result& result, const harness::Subject& subject,
                    std::initializer_list<std::string_view> certain,
                    std::initializer_list<std::string_view> possible) {
  Expectation expectation(result, subject.name());
  for (const std::string_view defect : certain) {
    if (knows(subject, defect)) expectation.take(defect, true);
  }
  for (const std::string_view defect : possible) {
    if (knows(subject, defect)) expectation.take(defect, false);
  }
}

}  // namespace fsqlshm::stress
