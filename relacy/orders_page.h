// ORDERS.md: the matrix of the order audit, written and checked.

#ifndef FSQLSHM_RELACY_ORDERS_PAGE_H_
#define FSQLSHM_RELACY_ORDERS_PAGE_H_

#include <expected>
#include <filesystem>
#include <string>
#include <vector>

#include "audit.h"

namespace fsqlshm::relacy {

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

#endif  // FSQLSHM_RELACY_ORDERS_PAGE_H_
