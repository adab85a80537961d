#include "audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>
#include <stdexcept>
#include <tuple>
#include <utility>

#include "harness/jobs.h"
#include "harness/run.h"

namespace fsqlshm::relacy {
namespace {

using Order = std::memory_order;

std::vector<Order> weaker(Op op, Order order) {
  switch (order) {
    case Order::seq_cst:
      if (op == Op::kLoad) return {Order::acquire, Order::relaxed};
      if (op == Op::kStore) return {Order::release, Order::relaxed};
      return {Order::acq_rel, Order::acquire, Order::release, Order::relaxed};
    case Order::acq_rel:
      return {Order::acquire, Order::release, Order::relaxed};
    case Order::acquire:
    case Order::release:
      return {Order::relaxed};
    default:
      return {};
  }
}

std::filesystem::path source_of(const Site& site) {
  const std::filesystem::path folder = FSQLSHM_CORE_INCLUDE;
  if (!std::filesystem::is_directory(folder)) {
    throw std::runtime_error(fmt::format(
        "{} is not there: the audit reads the comments of the library", folder.string()));
  }
  return folder / site.file;
}

// The numbers that a comment like "// (2) (3) (4) Each synchronizes with ..." begins with.
std::vector<std::string> numbers_of(const std::string& line) {
  static const std::regex kComment(R"(^\s*// ((\(\d+\) )+).*)");
  std::smatch match;
  if (!std::regex_match(line, match, kComment)) return {};
  std::vector<std::string> numbers;
  const std::string all = match[1];
  for (std::size_t at = 0; at < all.size(); at = all.find(' ', at) + 1) {
    numbers.push_back(all.substr(at, all.find(' ', at) - at));
  }
  return numbers;
}

bool is_operation(const std::string& line) {
  static const std::regex kOperation(R"(words_\.(load|store|compare_exchange|fetch_add)\()");
  return std::regex_search(line, kOperation);
}

// Rows for another process of this program, and back; there the weakening is known.
std::string pack(const Verdicts& verdicts) {
  nlohmann::json rows;
  for (const MatrixRow& row : verdicts) {
    rows.push_back({row.killed, row.scenario, row.property, row.executions, row.replay,
                    row.search.search, row.search.bound, row.search.iterations, row.search.first});
  }
  std::string bytes;
  nlohmann::json::to_msgpack(rows, bytes);
  return bytes;
}

Verdicts unpack(std::string_view bytes, const Weakening& weakening) {
  Verdicts verdicts;
  for (const nlohmann::json& row : nlohmann::json::from_msgpack(bytes)) {
    verdicts.push_back(
        {.weakening = weakening,
         .killed = row[0],
         .scenario = row[1],
         .property = row[2],
         .search = {.search = row[5], .bound = row[6], .iterations = row[7], .first = row[8]},
         .executions = row[3],
         .replay = row[4]});
  }
  return verdicts;
}

}  // namespace

std::vector<SiteUse> discover_sites(const Subject& subject) {
  std::vector<SiteUse> uses;
  for (const Scenario& scenario : scenarios()) {
    if (must_fail(subject, scenario)) continue;
    Position position;
    static_cast<void>(Checker::get().run(scenario, *subject.make_header(scenario),
                                         {.iterations = 5'000}, position, Keep::kSites));
    for (const Site& site : Checker::get().sites()) {
      const auto known = std::ranges::find_if(uses, [&](const SiteUse& use) {
        return use.site.file == site.file && use.site.line == site.line && use.site.op == site.op;
      });
      SiteUse& use = known == uses.end() ? uses.emplace_back(SiteUse{site, {}}) : *known;
      use.site.fields |= site.fields;
      use.scenarios.push_back(&scenario);
    }
  }
  std::ranges::sort(uses, {}, [](const SiteUse& use) {
    return std::tuple(use.site.file, use.site.line, use.site.op);
  });
  for (auto use = uses.begin(); use != uses.end(); ++use) {
    use->site.earlier = static_cast<unsigned>(std::count_if(uses.begin(), use, [&](auto& other) {
      return other.site.file == use->site.file && other.site.function == use->site.function &&
             other.site.op == use->site.op && other.site.order == use->site.order &&
             (other.site.fields & use->site.fields) != 0;
    }));
  }
  return uses;
}

std::vector<Weakening> weakenings(const Site& site) {
  std::vector<Weakening> out;
  for (const Order to : weaker(site.op, site.order)) out.push_back({site, false, to});
  if (site.op == Op::kCompareExchange) {
    for (const Order to : weaker(Op::kLoad, site.failure_order)) out.push_back({site, true, to});
  }
  return out;
}

void MatrixRow::kill(const Scenario& by, const SearchSummary& search, const Violation& violation,
                     const std::string& replay_id) {
  killed = true;
  scenario = by.name;
  property = violation.property;
  executions = search.executions;
  replay = replay_id;
}

MatrixRow judge(const Subject& subject, const std::vector<const Scenario*>& scenarios,
                const Weakening& weakening, const Budget& most, const Watch& watch) {
  MatrixRow row{.weakening = weakening};
  // What kills at all mostly does so with one preemption, so all scenarios get the cheap searches
  // before any gets an expensive one.
  constexpr std::uint64_t kFew = 20'000;
  std::vector<Budget> passes = {
      {.search = Search::kBounded, .bound = std::min(most.bound, 1U)},
      {.search = Search::kRandom, .iterations = std::min(most.iterations, kFew)}};
  if (most.bound > 1) passes.push_back({.search = Search::kBounded, .bound = most.bound});
  if (most.iterations > kFew) {
    passes.push_back(
        {.search = Search::kRandom, .iterations = most.iterations - kFew, .first = kFew + 1});
  }
  for (const Budget& pass : passes) {
    for (const Scenario* const scenario : scenarios) {
      const SearchResult result = search(subject, *scenario, pass, watch, &weakening);
      row.executions += result.executions;
      if (!result.violation) continue;
      row.kill(*scenario, result, *result.violation, result.replay.text());
      row.search = pass;
      if (pass.search == Search::kRandom) row.search.iterations = result.executions;
      return row;
    }
  }
  return row;
}

std::expected<void, std::string> audit(const std::vector<SiteUse>& uses, unsigned jobs,
                                       const AuditWork& work) {
  std::vector<std::pair<const SiteUse*, Weakening>> items;
  for (const SiteUse& use : uses) {
    for (const Weakening& weakening : weakenings(use.site)) items.emplace_back(&use, weakening);
  }
  std::string died;
  harness::run({.count = items.size(),
                .at_once = jobs,
                .work =
                    [&](std::size_t i) {
                      harness::install_stop_handler();
                      return pack(work.judge(*items[i].first, items[i].second));
                    },
                .done =
                    [&](std::size_t i, const harness::Made& made) {
                      if (!made) died = to_text(items[i].second) + ": the process " + made.error();
                      // What was judged after the signal was not judged to its end.
                      if (made && !harness::stop_requested()) {
                        work.done(unpack(*made, items[i].second));
                      }
                    },
                .go_on =
                    [&] {
                      work.go_on(items.size());
                      return died.empty() && !harness::stop_requested();
                    }});
  if (!died.empty()) return std::unexpected(died);
  if (harness::stop_requested()) return std::unexpected("stopped before the audit was complete");
  return {};
}

std::optional<std::string> violated_as_it_is(const Subject& subject,
                                             const std::vector<MatrixRow>& rows, unsigned jobs) {
  std::map<std::tuple<std::string, Search, unsigned, std::uint64_t>, Budget> killers;
  for (const MatrixRow& row : rows) {
    if (!row.killed) continue;
    const Budget& search = row.search;
    Budget& longest =
        killers.try_emplace({row.scenario, search.search, search.bound, search.first}, search)
            .first->second;
    longest.iterations = std::max(longest.iterations, search.iterations);
  }
  const std::vector all(killers.begin(), killers.end());
  std::optional<std::string> why;
  harness::run({.count = all.size(),
                .at_once = jobs,
                .work = [&](std::size_t i) -> std::string {
                  harness::install_stop_handler();
                  const SearchResult found =
                      search(subject, *find_scenario(std::get<0>(all[i].first)), all[i].second,
                             [](std::uint64_t) { return !harness::stop_requested(); });
                  if (!found.violation) return {};
                  return fmt::format("{} violates {} as it is: {}", subject.name,
                                     found.violation->property, found.replay.text());
                },
                .done =
                    [&](std::size_t i, const harness::Made& made) {
                      if (why) return;
                      if (!made) why = std::get<0>(all[i].first) + ": the process " + made.error();
                      if (made && !made->empty()) why = *made;
                    },
                .go_on = [&] { return !why && !harness::stop_requested(); }});
  if (!why && harness::stop_requested()) why = "stopped before the audit was complete";
  return why;
}

// The comment's numbers go to the operations below it, one each; the last one to all that follow,
// up to the next numbered comment or the end of the function.
std::string place_of(const Site& site) {
  std::ifstream in(source_of(site));
  std::vector<std::string> numbers;
  std::size_t next = 0;
  std::string number;
  std::string line;
  for (unsigned at = 1; at <= site.line && std::getline(in, line); ++at) {
    if (auto found = numbers_of(line); !found.empty()) {
      numbers = std::move(found);
      next = 0;
    } else if (line == "  }") {
      numbers.clear();
    } else if (is_operation(line)) {
      number = numbers.empty() ? "" : numbers[std::min(next++, numbers.size() - 1)];
    }
  }
  if (number.empty() && site.earlier > 0) number = fmt::format("#{}", site.earlier + 1);
  return number.empty() ? std::string(site.function) : fmt::format("{} {}", site.function, number);
}

bool explained(const Site& site) { return explained(source_of(site), site.line); }

bool explained(const std::filesystem::path& source, unsigned line) {
  constexpr unsigned kLinesAbove = 8;
  std::ifstream in(source);
  std::string text;
  for (unsigned number = 1; number <= line && std::getline(in, text); ++number) {
    if (number + kLinesAbove >= line && text.contains(kSurvivorMark)) return true;
  }
  return false;
}

}  // namespace fsqlshm::relacy
