// A recorded execution as a space-time diagram: a column a thread, a row a step.

#ifndef FSQLSHM_HARNESS_SCENARIOS_DIAGRAM_H_
#define FSQLSHM_HARNESS_SCENARIOS_DIAGRAM_H_

#include <cstddef>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace fsqlshm::harness {

/// What a trace says of a question whether the process with this number and birth lives.
[[nodiscard]] std::string answer_of_kernel(int process, std::uint64_t birth, bool lives);

struct DiagramRow {
  int thread = 0;  ///< its column; -1: before the threads start, -2: after the last ended
  std::string text{};
  std::string place{};  ///< for the last column
  std::string site{};   ///< the code that made it: rows of different code are not alike
};

/// The rows as text, numbered from 1, with the threads' titles above them. Turns of a spin that only
/// repeat the rows before them are folded.
[[nodiscard]] std::string render_rows(const std::vector<std::string>& threads,
                                      std::string_view place_title,
                                      const std::vector<DiagramRow>& rows);

/// An array of `entry(row)`; in the place of folded rows {"repeat": how many, "period": of so many
/// each, "thread", "until": the number of the last}.
[[nodiscard]] nlohmann::json rows_json(const std::vector<DiagramRow>& rows,
                                       const std::function<nlohmann::json(std::size_t row)>& entry);

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_SCENARIOS_DIAGRAM_H_
