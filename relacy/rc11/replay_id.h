// The name of one execution: its steps in order, and what each reads.

#ifndef FSQLSHM_RELACY_RC11_REPLAY_ID_H_
#define FSQLSHM_RELACY_RC11_REPLAY_ID_H_

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "relacy/rc11/order.h"
#include "relacy/step.h"

namespace fsqlshm::rc11 {

/// As text, one word: PROTOCOL/SCENARIO/rc11/STEPS and, if an order was weakened, @WEAKENING.
///
/// A step is a letter, a for the first thread; a capital if the thread dies. A number after it: the load
/// reads so many stores back from the newest that is there by then, or the store goes so many places
/// before it in modification order.
struct ReplayId {
  std::string protocol;
  std::string scenario;
  std::string steps;
  std::optional<relacy::Weakening> weakening{};

  [[nodiscard]] std::string text() const;
  /// The error is a sentence for a person.
  [[nodiscard]] static std::expected<ReplayId, std::string> parse(std::string_view text);
};

[[nodiscard]] std::string steps_text(const Graph& graph, const Steps& order);

struct Steered {
  Graph graph;
  Steps order;
};
/// The graph and the order that the text stands for; none if the program has no such execution.
[[nodiscard]] std::optional<Steered> steer(const Program& program, std::string_view steps);

}  // namespace fsqlshm::rc11

#endif  // FSQLSHM_RELACY_RC11_REPLAY_ID_H_
