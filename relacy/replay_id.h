// The name of one execution: what a counter-example ends with, and what shows it again.

#ifndef FSQLSHM_RELACY_REPLAY_ID_H_
#define FSQLSHM_RELACY_REPLAY_ID_H_

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "checker.h"

namespace fsqlshm::relacy {

/// As text PROTOCOL/SCENARIO/EXECUTION and, if an order was weakened, @WEAKENING (see to_text).
struct ReplayId {
  std::string protocol;
  std::string scenario;
  harness::ExecutionId execution{};
  std::optional<Weakening> weakening{};

  [[nodiscard]] std::string text() const;
  /// The error is a sentence for a person.
  [[nodiscard]] static std::expected<ReplayId, std::string> parse(std::string_view text);
};

/// FILE:FUNCTION:OPERATION:FIELDS:FROM=TO, for example
/// "hardened/seqlock.h:publish:store:commit_seq:release=relaxed"; "load#2" is the second load in
/// the function with these fields and this order.
[[nodiscard]] std::string to_text(const Weakening& weakening);
/// None also if the second order is not weaker than the first.
[[nodiscard]] std::optional<Weakening> parse_weakening(std::string_view text);
/// The sentence about an id whose weakening no operation of its execution fits.
[[nodiscard]] std::string not_weakened(std::string_view id);

/// The fields whose bits are set, with `separator` between them.
[[nodiscard]] std::string field_names(std::uint32_t fields, std::string_view separator);

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_REPLAY_ID_H_
