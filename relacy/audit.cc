#include "audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <tuple>

#include "harness/describe.h"
#include "report.h"

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

std::string fields_of(const Site& site) {
  std::string out;
  for (const Field field : kAtomicFields) {
    if ((site.fields >> atomic_index(field) & 1U) == 0) continue;
    if (!out.empty()) out += ", ";
    out += field_name(field);
  }
  return out;
}

// "acquire" of "bool fsqlshm::hardened::WriterIndicator<W>::acquire(...) [with ...]".
std::string_view function_of(const Site& site) {
  std::string_view name = site.function.substr(0, site.function.find('('));
  const std::size_t start = name.find_last_of(": ");
  return start == std::string_view::npos ? name : name.substr(start + 1);
}

// One row of the page.
struct PageRow {
  std::string key;     // row_key
  std::string replay;  // empty: survived
};

std::string_view op_text(const Weakening& weakening) {
  switch (weakening.op) {
    case Op::kLoad:
      return "load";
    case Op::kStore:
      return "store";
    case Op::kFetchAdd:
      return "fetch_add";
    default:
      return weakening.failure ? "compare_exchange, failure" : "compare_exchange, success";
  }
}

Order present(const Site& site, const Weakening& weakening) {
  return weakening.failure ? site.failure_order : site.order;
}

// What the page says of a row apart from the verdict: if any of it changes, the page is stale.
std::string row_key(std::string_view subject, const Site& site, const Weakening& weakening) {
  return fmt::format("{}: {}:{} | {} | {} | {} | {} | {}", subject, site.file, site.line,
                     function_of(site), op_text(weakening), fields_of(site),
                     harness::order_name(present(site, weakening)),
                     harness::order_name(weakening.to));
}

std::expected<std::vector<PageRow>, std::string> parse_page(const std::filesystem::path& path) {
  std::ifstream in(path);
  if (!in) return std::unexpected(fmt::format("cannot read {}", path.string()));
  std::vector<PageRow> rows;
  std::string subject;
  std::string line;
  while (std::getline(in, line)) {
    if (line.starts_with("## ")) subject = line.substr(3);
    if (!line.starts_with("| ") || line.starts_with("| site ")) continue;
    const std::size_t verdict = line.rfind(" | ");
    if (verdict == std::string::npos || verdict < 2) continue;
    PageRow& row = rows.emplace_back();
    row.key = fmt::format("{}: {}", subject, line.substr(2, verdict - 2));
    const std::size_t open = line.find('`', verdict);
    const std::size_t close = line.rfind('`');
    if (open != std::string::npos && close > open) {
      row.replay = line.substr(open + 1, close - open - 1);
    }
  }
  return rows;
}

}  // namespace

std::vector<SiteUse> discover_sites(Subject& subject) {
  std::vector<SiteUse> uses;
  for (const auto& scenario : subject.scenarios) {
    if (must_fail(subject, scenario->spec())) continue;
    RunRequest request = scenario->request();
    request.discover = true;
    request.count = 5'000;
    static_cast<void>(Model::get().run(request));
    for (const Site& site : Model::get().sites()) {
      const auto known = std::ranges::find_if(uses, [&](const SiteUse& use) {
        return use.site.file == site.file && use.site.line == site.line && use.site.op == site.op;
      });
      SiteUse& use = known == uses.end() ? uses.emplace_back(SiteUse{site, {}}) : *known;
      use.site.fields |= site.fields;
      use.scenarios.push_back(scenario.get());
    }
  }
  std::ranges::sort(uses, {}, [](const SiteUse& use) {
    return std::tuple(use.site.file, use.site.line, use.site.op);
  });
  return uses;
}

std::vector<Weakening> weakenings(const Site& site) {
  std::vector<Weakening> out;
  for (const Order to : weaker(site.op, site.order)) {
    out.push_back({std::string(site.file), site.line, site.op, false, to});
  }
  if (site.op == Op::kCompareExchange) {
    for (const Order to : weaker(Op::kLoad, site.failure_order)) {
      out.push_back({std::string(site.file), site.line, site.op, true, to});
    }
  }
  return out;
}

Verdict judge(Subject& subject, const SiteUse& use, const Weakening& weakening,
              const AuditBudget& budget, const Watch& watch) {
  Verdict verdict{.site = use.site, .weakening = weakening};
  // What kills at all mostly does so with one preemption, so all scenarios get the cheap searches
  // before any gets an expensive one.
  std::vector<Budget> passes;
  passes.push_back({.search = Search::kBounded, .bound = std::min(budget.bound, 1U)});
  passes.push_back({.search = Search::kRandom,
                    .iterations = std::min<std::uint64_t>(budget.iterations, 20'000)});
  if (budget.bound > 1) passes.push_back({.search = Search::kBounded, .bound = budget.bound});
  if (budget.iterations > 20'000) {
    passes.push_back(
        {.search = Search::kRandom, .iterations = budget.iterations - 20'000, .first = 20'001});
  }
  for (Budget& pass : passes) {
    pass.weakening = &weakening;
    for (NamedScenario* const scenario : use.scenarios) {
      const SearchResult result = search(subject, *scenario, pass, watch);
      verdict.executions += result.executions;
      if (!result.violation) continue;
      verdict.killed = true;
      verdict.scenario = scenario->spec().name;
      verdict.property = result.violation->property;
      verdict.executions = result.executions;
      verdict.replay = result.replay.text();
      return verdict;
    }
  }
  return verdict;
}

std::string render_page(const std::vector<Matrix>& matrices) {
  std::string out =
      "# Why each memory order is there\n"
      "\n"
      "Generated by `fsqlshm-relacy --audit-orders`; the tests fail when it is out of date.\n"
      "\n"
      "Every memory order at every call site of the core that a scenario reaches was replaced by\n"
      "each weaker one that the language allows, one at a time. *Killed* names the scenario that\n"
      "then violates a property, after how many executions, and the execution:\n"
      "`fsqlshm-relacy --replay ID` shows it. An order of the library that *survived* is "
      "justified\n"
      "beside the operation. `relaxed` has nothing weaker and has no row.\n"
      "\n"
      "`reference` stays as published. It is searched for a shorter time, and scenarios in which "
      "it\n"
      "violates something as it is cannot judge it: there, survived does not mean unnecessary.\n";
  for (const Matrix& matrix : matrices) {
    out += fmt::format("\n## {}\n\n", matrix.subject);
    out += "| site | in | operation | field | order | weakened to | verdict |\n";
    out += "|---|---|---|---|---|---|---|\n";
    for (const Verdict& verdict : matrix.verdicts) {
      const std::string outcome =
          verdict.killed ? fmt::format("killed by {} ({}) after {}: `{}`", verdict.scenario,
                                       verdict.property, verdict.executions, verdict.replay)
                         : fmt::format("survived {} executions", verdict.executions);
      out += fmt::format("| {}:{} | {} | {} | {} | {} | {} | {} |\n", verdict.site.file,
                         verdict.site.line, function_of(verdict.site), op_text(verdict.weakening),
                         fields_of(verdict.site),
                         harness::order_name(present(verdict.site, verdict.weakening)),
                         harness::order_name(verdict.weakening.to), outcome);
    }
  }
  return out;
}

std::expected<std::vector<std::string>, std::string> page_complaints(
    const std::filesystem::path& page) {
  const auto rows = parse_page(page);
  if (!rows) return std::unexpected(rows.error());
  std::vector<std::string> complaints;
  std::set<std::string> seen;
  for (const PageRow& row : *rows) {
    seen.insert(row.key);
    if (row.replay.empty()) continue;
    const auto id = ReplayId::parse(row.replay);
    const auto trace = id ? replay(*id) : std::unexpected(id.error());
    if (!trace || !trace->violation) {
      complaints.push_back(fmt::format(
          "{}: {}", row.key, trace ? "the replay violates nothing any more" : trace.error()));
    }
  }
  for (const char* const name : {"hardened", "reference"}) {
    Subject& subject = *find_subject(name);
    for (const SiteUse& use : discover_sites(subject)) {
      for (const Weakening& weakening : weakenings(use.site)) {
        const std::string key = row_key(name, use.site, weakening);
        const auto row = std::ranges::find(*rows, key, &PageRow::key);
        if (row == rows->end()) {
          complaints.push_back(fmt::format("{}: not on the page", key));
          continue;
        }
        seen.erase(key);
        if (!row->replay.empty()) continue;
        const Verdict verdict = judge(subject, use, weakening, {.bound = 1, .iterations = 2'000});
        if (verdict.killed) {
          complaints.push_back(
              fmt::format("{}: survived once, but {} kills it", key, verdict.scenario));
        }
      }
    }
  }
  for (const std::string& key : seen) {
    complaints.push_back(fmt::format("{}: on the page, but not in the core", key));
  }
  return complaints;
}

bool explained(const Site& site) {
  return explained(std::filesystem::path(FSQLSHM_CORE_INCLUDE) / site.file, site.line);
}

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
