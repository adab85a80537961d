#include "replay_id.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "audit.h"
#include "harness/describe.h"

namespace fsqlshm::relacy {
namespace {

using harness::take;

constexpr std::array kOps = {Op::kLoad, Op::kStore, Op::kCompareExchange, Op::kFetchAdd};

std::string_view short_name(Op op) { return op == Op::kCompareExchange ? "cas" : op_name(op); }

bool parse_number(std::string_view text, unsigned& out) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && stop == text.data() + text.size();
}

// The same text, as long as the program runs.
std::string_view kept(std::string_view text) {
  static std::set<std::string, std::less<>> all;
  return *all.emplace(text).first;
}

std::optional<std::uint32_t> parse_fields(std::string_view text) {
  std::uint32_t fields = 0;
  while (!text.empty()) {
    const auto* const known = std::ranges::find(kAtomicFields, take(text, '+'), field_name);
    if (known == kAtomicFields.end()) return std::nullopt;
    fields |= 1U << atomic_index(*known);
  }
  return fields;
}

}  // namespace

std::optional<Weakening> parse_weakening(std::string_view text) {
  Weakening weakening;
  Site& site = weakening.site;
  site.file = kept(take(text, ':'));
  site.function = kept(take(text, ':'));
  std::string_view number = take(text, ':');
  std::string_view op = take(number, '#');
  if (!number.empty()) {
    unsigned place = 0;  // "#2" is the second
    if (!parse_number(number, place) || place < 2) return std::nullopt;
    site.earlier = place - 1;
  }
  weakening.failure = op == "cas-failure";
  const auto* const known = std::ranges::find(kOps, weakening.failure ? "cas" : op, short_name);
  const auto fields = parse_fields(take(text, ':'));
  const auto from = harness::parse_order(take(text, '='));
  const auto to = harness::parse_order(text);
  if (known == kOps.end() || !fields || *fields == 0 || !from || !to) return std::nullopt;
  site.op = *known;
  site.fields = *fields;
  (weakening.failure ? site.failure_order : site.order) = *from;
  weakening.to = *to;
  const auto weaker = weakenings(site);
  const bool is_one = std::ranges::any_of(weaker, [&](const Weakening& other) {
    return other.failure == weakening.failure && other.to == weakening.to;
  });
  return is_one ? std::optional(weakening) : std::nullopt;
}

std::string not_weakened(std::string_view id) {
  return fmt::format("replay id \"{}\": the execution has no operation that could be weakened so",
                     id);
}

std::string field_names(std::uint32_t fields, std::string_view separator) {
  std::string out;
  for (const Field field : kAtomicFields) {
    if ((fields >> atomic_index(field) & 1U) == 0) continue;
    if (!out.empty()) out += separator;
    out += field_name(field);
  }
  return out;
}

std::string to_text(const Weakening& weakening) {
  const Site& site = weakening.site;
  return fmt::format("{}:{}:{}{}{}:{}:{}={}", site.file, site.function, short_name(site.op),
                     weakening.failure ? "-failure" : "",
                     site.earlier > 0 ? fmt::format("#{}", site.earlier + 1) : "",
                     field_names(site.fields, "+"), harness::order_name(weakening.from()),
                     harness::order_name(weakening.to));
}

std::string ReplayId::text() const {
  std::string out = fmt::format("{}/{}/{}", protocol, scenario, execution.text());
  if (weakening) out += fmt::format("@{}", to_text(*weakening));
  return out;
}

std::expected<ReplayId, std::string> ReplayId::parse(std::string_view text) {
  std::string_view rest = text;
  std::string_view head = take(rest, '@');
  ReplayId id;
  if (!rest.empty()) {
    id.weakening = parse_weakening(rest);
    if (!id.weakening) {
      return std::unexpected(
          fmt::format("replay id \"{}\": what comes after @ is no weakening", text));
    }
  }
  id.protocol = take(head, '/');
  id.scenario = take(head, '/');
  auto execution = harness::ExecutionId::parse(head);
  if (!execution) {
    return std::unexpected(fmt::format("replay id \"{}\": {}", text, execution.error()));
  }
  id.execution = *std::move(execution);
  return id;
}

}  // namespace fsqlshm::relacy
