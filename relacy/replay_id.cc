#include "replay_id.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "harness/describe.h"

namespace fsqlshm::relacy {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";
constexpr std::array kOps = {Op::kLoad, Op::kStore, Op::kCompareExchange, Op::kFetchAdd};

std::string_view short_name(Op op) { return op == Op::kCompareExchange ? "cas" : op_name(op); }

template <class Number>
bool parse_number(std::string_view text, Number& out) {
  const char* const begin = text.data();
  const char* const end = begin + text.size();
  const auto [stop, error] = std::from_chars(begin, end, out);
  return error == std::errc() && stop == end;
}

// Splits off what comes before `separator`; the whole if it is not there.
std::string_view take(std::string_view& text, char separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
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

std::optional<Weakening> parse_weakening(std::string_view text) {
  Weakening weakening;
  Site& site = weakening.site;
  site.file = kept(take(text, ':'));
  site.function = kept(take(text, ':'));
  std::string_view number = take(text, ':');
  std::string_view op = take(number, '#');
  if (!number.empty() && (!parse_number(number, site.earlier) || site.earlier-- < 2)) {
    return std::nullopt;
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
  return weakening;
}

}  // namespace

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
  std::string position;
  std::string kind = "random";
  if (search == Search::kRandom) {
    position = std::to_string(number);
  } else {
    kind = search == Search::kFull ? "full" : fmt::format("bound{}", bound);
    for (const Choice& choice : path) position += kDigits[choice.index];
    position.erase(std::min(position.find_last_not_of('0') + 1, position.size()));
    if (position.empty()) position.push_back('0');
  }
  std::string out = fmt::format("{}/{}/{}/{}", protocol, scenario, kind, position);
  if (weakening) out += fmt::format("@{}", to_text(*weakening));
  return out;
}

std::expected<ReplayId, std::string> ReplayId::parse(std::string_view text) {
  const auto refuse = [whole = text](std::string_view why) {
    return std::unexpected(fmt::format("replay id \"{}\": {}", whole, why));
  };
  std::string_view rest = text;
  std::string_view head = take(rest, '@');
  ReplayId id;
  if (!rest.empty()) {
    id.weakening = parse_weakening(rest);
    if (!id.weakening) return refuse("what comes after @ is no weakening");
  }
  id.protocol = take(head, '/');
  id.scenario = take(head, '/');
  const std::string_view kind = take(head, '/');
  if (kind == "random") {
    if (!parse_number(head, id.number) || id.number == 0) return refuse("no execution number");
    return id;
  }
  if (kind == "full") {
    id.search = Search::kFull;
  } else if (kind.starts_with("bound") && parse_number(kind.substr(5), id.bound)) {
    id.search = Search::kBounded;
  } else {
    return refuse("expected PROTOCOL/SCENARIO/random|boundN|full/POSITION");
  }
  if (head.empty()) return refuse("no choices");
  for (const char c : head) {
    const std::size_t index = kDigits.find(c);
    if (index == std::string_view::npos) return refuse("a choice is a digit or a small letter");
    id.path.push_back({.limit = 36, .index = static_cast<std::uint8_t>(index)});
  }
  return id;
}

}  // namespace fsqlshm::relacy
