#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "stress/step/search.h"

namespace fsqlshm::step {
namespace {

constexpr std::string_view kDigits = "0123456789abcdefghijklmnopqrstuvwxyz";

template <class Number>
bool parse_number(std::string_view text, Number& out) {
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && stop == text.data() + text.size();
}

// Splits off what comes before the next slash.
std::string_view take(std::string_view& text) {
  const std::size_t at = text.find('/');
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view{} : text.substr(at + 1);
  return part;
}

}  // namespace

std::string ReplayId::text() const {
  if (search == Search::kRandom) return fmt::format("{}/random/{}", scenario, number);
  std::string choices;
  for (const Choice& choice : path) choices += kDigits[choice.index];
  choices.erase(std::min(choices.find_last_not_of('0') + 1, choices.size()));
  if (choices.empty()) choices.push_back('0');
  return fmt::format("{}/bound{}/{}", scenario, bound, choices);
}

std::expected<ReplayId, std::string> ReplayId::parse(std::string_view text) {
  const auto refuse = [whole = text](std::string_view why) {
    return std::unexpected(fmt::format("replay id \"{}\": {}", whole, why));
  };
  ReplayId id;
  id.scenario = take(text);
  const std::string_view kind = take(text);
  if (kind == "random") {
    id.search = Search::kRandom;
    if (!parse_number(text, id.number) || id.number == 0) return refuse("no execution number");
    return id;
  }
  if (!kind.starts_with("bound") || !parse_number(kind.substr(5), id.bound)) {
    return refuse("expected SCENARIO/random|boundN/POSITION");
  }
  if (text.empty()) return refuse("no choices");
  for (const char c : text) {
    const std::size_t index = kDigits.find(c);
    if (index == std::string_view::npos) return refuse("a choice is a digit or a small letter");
    id.path.push_back({.limit = 0, .index = static_cast<std::uint8_t>(index)});
  }
  return id;
}

}  // namespace fsqlshm::step
