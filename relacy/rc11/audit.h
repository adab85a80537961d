// The order audit under RC11: every memory order of the library's protocol made weaker, one at a time, with
// the verdict of Relacy beside it.

#ifndef FSQLSHM_RELACY_RC11_AUDIT_H_
#define FSQLSHM_RELACY_RC11_AUDIT_H_

#include <filesystem>
#include <string>
#include <vector>

#include "relacy/audit.h"
#include "relacy/rc11/search.h"

namespace fsqlshm::rc11 {

using relacy::MatrixRow;

/// Tries one weakening on these scenarios, all executions of each, until one shows a violation. `watch` may
/// end it before.
[[nodiscard]] MatrixRow judge_weakening(const Subject& subject,
                                        const std::vector<const Scenario*>& scenarios,
                                        const Weakening& weakening, const Watch& watch = {});

struct BothVerdicts {
  MatrixRow relacy;
  MatrixRow rc11;
};

/// The page relacy/rc11/ORDERS.md, in Markdown.
[[nodiscard]] std::string render_page(const std::vector<BothVerdicts>& rows);

/// A row of the page: relacy::row_key, and the RC11 replay id (empty: survived).
struct PageRow {
  std::string key;
  std::string replay;
};
[[nodiscard]] std::vector<PageRow> read_page(const std::filesystem::path& page);

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_AUDIT_H_
