// The order audit: every memory order at every call site of the core, made weaker, one at a time.
//
// Sites are found through the seam while the scenarios run. An order that can be weakened without
// any scenario noticing is a survivor: it is weaker than it needs to be, or the comment next to the
// operation says what the tool cannot see.

#ifndef FSQLSHM_RELACY_AUDIT_H_
#define FSQLSHM_RELACY_AUDIT_H_

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "search.h"

namespace fsqlshm::relacy {

struct SiteUse {
  Site site;
  std::vector<const Scenario*> scenarios;  ///< that came by
};

/// All call sites of the core that the subject's scenarios reach, by file and line.
[[nodiscard]] std::vector<SiteUse> discover_sites(const Subject& subject);

/// Every single order of the site replaced by each weaker one that the language allows.
[[nodiscard]] std::vector<Weakening> weakenings(const Site& site);

/// One row of the matrix.
struct MatrixRow {
  Weakening weakening;
  bool killed = false;
  std::string scenario{};        ///< killed: by this one
  std::string property{};        ///< ... because this did not hold
  Budget search{};               ///< ... in this search, up to the violation
  std::uint64_t executions = 0;  ///< killed: of that scenario; else: of all scenarios together
  std::string replay{};

  void kill(const Scenario& by, const SearchSummary& search, const Violation& violation,
            const std::string& replay_id);
};

/// Tries one weakening on the scenarios that come by the site, cheap searches first: bounded ones
/// up to `most.bound`, and `most.iterations` random executions of each scenario.
[[nodiscard]] MatrixRow judge(const Subject& subject, const std::vector<const Scenario*>& scenarios,
                              const Weakening& weakening, const Budget& most,
                              const Watch& watch = {});

/// What became of one weakening, a row for each model that judged it.
using Verdicts = std::vector<MatrixRow>;

struct AuditWork {
  std::function<Verdicts(const SiteUse&, const Weakening&)> judge;
  std::function<void(const Verdicts&)> done;  ///< in the order of the sites
  std::function<void(std::size_t of)> go_on;  ///< now and then, with how many there are
};

/// Every weakening of every site, in `jobs` processes side by side. The error is a clause for a person: why
/// it is not complete.
[[nodiscard]] std::expected<void, std::string> audit(const std::vector<SiteUse>& uses,
                                                     unsigned jobs, const AuditWork& work);

/// Why a kill among `rows` is not the weakening's: its search finds a violation of `subject` without that, too. Or why
/// not all of them were repeated; a clause for a person. Uses `jobs` processes.
[[nodiscard]] std::optional<std::string> violated_as_it_is(const Subject& subject,
                                                           const std::vector<MatrixRow>& rows,
                                                           unsigned jobs);

/// Where the operation is, by what does not change with the lines around it: "publish (2)", the
/// function and the number in the comment above the operation, if it has one.
[[nodiscard]] std::string place_of(const Site& site);

/// Whether a comment within the few lines above the operation says why an order stays that the
/// audit does not miss: it contains kSurvivorMark.
inline constexpr std::string_view kSurvivorMark = "order audit cannot see";
[[nodiscard]] bool explained(const Site& site);
[[nodiscard]] bool explained(const std::filesystem::path& source, unsigned line);

/// What the pages say of a weakening apart from verdicts: file, place, operation, fields, orders, as the
/// cells of a row. If any of it changes, the page is stale.
[[nodiscard]] std::string row_key(const Weakening& weakening);

// --- The page ORDERS.md (orders_page.cc) ------------------------------------------------------

/// The matrix of one subject.
struct Matrix {
  std::string subject;
  std::vector<MatrixRow> rows{};
};

/// The page, in Markdown.
[[nodiscard]] std::string render_page(const std::vector<Matrix>& matrices);

/// What is out of date on the page: its sites and orders are compared with those found at run time,
/// every kill is replayed, every survivor searched again for a short time. Lines do not matter. The
/// error is a sentence.
[[nodiscard]] std::expected<std::vector<std::string>, std::string> page_complaints(
    const std::filesystem::path& page);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_AUDIT_H_
