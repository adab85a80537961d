#include "relacy/rc11/litmus.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ranges>

#include "harness/describe.h"
#include "relacy/rc11/explorer.h"

namespace fsqlshm::rc11 {
namespace {

using Order = std::memory_order;

constexpr Location kX = 0;
constexpr Location kY = 1;
constexpr Location kZ = 2;

Operation load(Location location) { return {.access = Access::kLoad, .location = location}; }
Operation store(Location location, std::uint64_t value) {
  return {.access = Access::kStore, .location = location, .operand = value};
}
Operation add_one(Location location) {
  return {.access = Access::kFetchAdd, .location = location, .operand = 1};
}
Operation exchange(Location location, std::uint64_t from, std::uint64_t to) {
  return {
      .access = Access::kCompareExchange, .location = location, .expected = from, .operand = to};
}

bool always(Orders /*orders*/) { return true; }
bool all_sc(Orders orders) {
  return std::ranges::count(orders, Order::seq_cst) == std::ssize(orders);
}
// The orders with these numbers are a release, an acquire, a release ...
template <std::size_t... kNumbers>
bool synchronizes(Orders orders) {
  bool releasing = false;
  const auto strong = [&releasing](Order order) {
    releasing = !releasing;
    return releasing ? releases(order) : acquires(order);
  };
  return (strong(orders[kNumbers]) && ...);
}
// RC11 has a cycle of seq_cst here, with the flag in between, if all accesses but those of the flag are seq_cst.
bool w_rwc_forbidden(Orders orders) {
  return synchronizes<1, 2>(orders) &&
         std::ranges::all_of(std::array{0U, 3U, 4U, 5U},
                             [orders](auto number) { return orders[number] == Order::seq_cst; });
}

const std::vector<LitmusTest> kOfTwoThreads = {
    {"SB",
     "store buffering: both loads miss the other's store",
     {{store(kX, 1), load(kY)}, {store(kY, 1), load(kX)}},
     {{0, 1, 0}, {1, 1, 0}},
     all_sc,
     4,
     4,
     3},
    {"MP",
     "message passing: the flag without the message",
     {{store(kX, 1), store(kY, 1)}, {load(kY), load(kX)}},
     {{1, 0, 1}, {1, 1, 0}},
     synchronizes<1, 2>,
     4,
     3,
     3},
    {"LB",
     "load buffering: each load reads the other's later store",
     {{load(kX), store(kY, 1)}, {load(kY), store(kX, 1)}},
     {{0, 0, 1}, {1, 0, 1}},
     always,
     3,
     3,
     3},
    {"2+2W",
     "two writers of two words: the first store of each stays",
     {{store(kX, 1), store(kY, 2)}, {store(kY, 1), store(kX, 2)}},
     {{-1, kX, 1}, {-1, kY, 1}},
     all_sc,
     4,
     4,
     3},
    {"R",
     "the second of two stores stays, and its thread misses what came before the first",
     {{store(kX, 1), store(kY, 1)}, {store(kY, 2), load(kX)}},
     {{-1, kY, 2}, {1, 1, 0}},
     all_sc,
     4,
     4,
     3},
    {"S",
     "a store that comes after the flag was seen is older than one from before the flag",
     {{store(kX, 2), store(kY, 1)}, {load(kY), store(kX, 1)}},
     {{1, 0, 1}, {-1, kX, 2}},
     synchronizes<1, 2>,
     4,
     3,
     3},
    {"SB+rmws",
     "store buffering with read-modify-writes: both miss the other's",
     {{add_one(kX), load(kY)}, {add_one(kY), load(kX)}},
     {{0, 2, 0}, {1, 2, 0}},
     all_sc,
     4,
     4,
     3},
    {"CoRR",
     "a younger value, then an older one of the same word",
     {{store(kX, 1)}, {load(kX), load(kX)}},
     {{1, 0, 1}, {1, 1, 0}},
     always,
     3,
     3,
     3},
    {"CoWW",
     "the first of two stores of a thread stays",
     {{store(kX, 1), store(kX, 2)}, {load(kX)}},
     {{-1, kX, 1}},
     always,
     3,
     3,
     3},
    {"CoWR",
     "a thread stores, then reads what came before its store",
     {{store(kX, 1), load(kX)}, {store(kX, 2)}},
     {{0, 1, 0}},
     always,
     3,
     3,
     3},
    {"CoRW1",
     "a thread reads what it stores later",
     {{load(kX), store(kX, 1)}},
     {{0, 0, 1}},
     always,
     1,
     1,
     1},
    {"CoRW2",
     "a thread stores after it has read a value, and that value stays",
     {{load(kX), store(kX, 1)}, {store(kX, 2)}},
     {{0, 0, 2}, {-1, kX, 2}},
     always,
     3,
     3,
     3},
    {"stale3",
     "a load reads three stores back, after a store that came with the newest",
     {{store(kX, 1), store(kX, 2), store(kX, 3), store(kY, 1)}, {load(kY), load(kX)}},
     {{1, 0, 1}, {1, 1, 0}},
     synchronizes<3, 4>,
     8,
     5,
     5},
    {"MP+rel-seq",
     "a later store of the releasing thread does not carry the release on",
     {{store(kX, 1), store(kY, 1), store(kY, 2)}, {load(kY), load(kX)}},
     {{1, 0, 2}, {1, 1, 0}},
     synchronizes<2, 3>,
     6,
     4,
     4}};

const std::vector<LitmusTest> kOfMoreThreads = {
    {"IRIW",
     "two readers see two writers in opposite orders",
     {{store(kX, 1)}, {store(kY, 1)}, {load(kX), load(kY)}, {load(kY), load(kX)}},
     {{2, 0, 1}, {2, 1, 0}, {3, 0, 1}, {3, 1, 0}},
     all_sc,
     16,
     16,
     15},
    {"WRC",
     "a store is passed on by a second thread, and the third misses it",
     {{store(kX, 1)}, {load(kX), store(kY, 1)}, {load(kY), load(kX)}},
     {{1, 0, 1}, {2, 0, 1}, {2, 1, 0}},
     synchronizes<2, 3>,
     8,
     7,
     7},
    {"ISA2",
     "a message is passed on over two flags, and is not there",
     {{store(kX, 1), store(kY, 1)}, {load(kY), store(kZ, 1)}, {load(kZ), load(kX)}},
     {{1, 0, 1}, {2, 0, 1}, {2, 1, 0}},
     synchronizes<1, 2, 3, 4>,
     8,
     7,
     7},
    {"W+RWC",
     "a reader of the flag misses a store, whose thread misses the message",
     {{store(kX, 1), store(kZ, 1)}, {load(kZ), load(kY)}, {store(kY, 1), load(kX)}},
     {{1, 0, 1}, {1, 1, 0}, {2, 1, 0}},
     w_rwc_forbidden,
     8,
     8,
     7},
    {"MP+rmw",
     "a read-modify-write of another thread carries the release on",
     {{store(kX, 1), store(kY, 1)}, {add_one(kY)}, {load(kY), load(kX)}},
     {{2, 0, 2}, {2, 1, 0}, {1, 0, 1}},
     synchronizes<1, 3>,
     12,
     9,
     9},
    {"MP+two-rmws",
     "two read-modify-writes of other threads carry the release on",
     {{store(kX, 1), store(kY, 1)},
      {exchange(kY, 1, 2)},
      {exchange(kY, 2, 3)},
      {load(kY), load(kX)}},
     {{3, 0, 3}, {3, 1, 0}},
     synchronizes<1, 4>,
     28,
     19,
     19},
    {"MP+other-store",
     "a store of another thread ends the release sequence",
     {{store(kX, 1), store(kY, 1)}, {store(kY, 2)}, {load(kY), load(kX)}},
     {{2, 0, 2}, {-1, kY, 2}, {2, 1, 0}},
     all_sc,
     12,
     10,
     9},
    {"CAS",
     "two of three threads that exchange the same value succeed",
     {{exchange(kX, 0, 1)}, {exchange(kX, 0, 2)}, {exchange(kX, 0, 3)}},
     {{0, 0, 0}, {1, 0, 0}},
     always,
     3,
     3,
     3},
    {"CAS-chain",
     "the last link of a chain of exchanges without the first",
     {{exchange(kX, 0, 1)}, {exchange(kX, 1, 2)}, {exchange(kX, 2, 3)}},
     {{-1, kX, 3}, {0, 0, 1}},
     always,
     5,
     5,
     5},
    {"counter",
     "three additions of one, and one is lost",
     {{add_one(kX)}, {add_one(kX)}, {add_one(kX)}},
     {{-1, kX, 2}},
     always,
     6,
     6,
     6}};

std::string describe(const LitmusTest& test, Orders orders) {
  std::string out = test.name;
  for (const Order order : orders) out += fmt::format(" {}", harness::order_name(order));
  return out;
}

}  // namespace

std::vector<Order> LitmusTest::synchronized() const {
  std::vector<Order> orders;
  for (const Operation& operation : threads | std::views::join) {
    orders.push_back(operation.access == Access::kLoad    ? Order::acquire
                     : operation.access == Access::kStore ? Order::release
                                                          : Order::acq_rel);
  }
  return orders;
}

std::vector<std::vector<Order>> LitmusTest::combinations() const {
  std::vector<std::vector<Order>> all = {{}};
  for (const Order middle : synchronized()) {
    std::vector<std::vector<Order>> longer;
    for (const Order order : {Order::relaxed, middle, Order::seq_cst}) {
      for (std::vector<Order> combination : all) {
        combination.push_back(order);
        longer.push_back(std::move(combination));
      }
    }
    all = std::move(longer);
  }
  return all;
}

Program LitmusTest::program(Orders orders) const {
  Program program{.first = {0, 0, 0}};
  auto order = orders.begin();
  for (std::vector<Operation> operations : threads) {
    for (Operation& operation : operations) {
      operation.order = *order++;
      if (operation.access != Access::kCompareExchange) continue;
      operation.failure = operation.order == Order::acq_rel ? Order::acquire : operation.order;
    }
    program.threads.push_back({.body = [operations](Memory& memory) {
      for (const Operation& operation : operations) memory.perform(operation);
    }});
  }
  return program;
}

bool LitmusTest::shows(const Graph& graph) const {
  return std::ranges::all_of(facts, [&](const Fact& fact) {
    if (fact.thread < 0) return graph.newest(static_cast<Location>(fact.index)) == fact.value;
    return graph.events(fact.thread)[fact.index].value == fact.value;
  });
}

const std::vector<LitmusTest>& litmus_tests() {
  static const std::vector<LitmusTest> kAll = [] {
    std::vector<LitmusTest> all = kOfTwoThreads;
    all.insert(all.end(), kOfMoreThreads.begin(), kOfMoreThreads.end());
    return all;
  }();
  return kAll;
}

std::vector<LitmusResult> run_litmus() {
  std::vector<LitmusResult> results;
  for (const LitmusTest& test : litmus_tests()) {
    LitmusResult& result = results.emplace_back();
    result.name = test.name;
    result.outcome = test.outcome;
    const std::vector<Order> middle = test.synchronized();
    for (const std::vector<Order>& orders : test.combinations()) {
      const Program program = test.program(orders);
      Explorer explorer(program);
      std::uint64_t executions = 0;
      bool shown = false;
      while (explorer.next()) {
        ++executions;
        shown = shown || test.shows(explorer.graph());
      }
      const bool relaxed = std::ranges::count(orders, Order::relaxed) == std::ssize(orders);
      const bool synchronized = orders == middle;
      const bool strongest = all_sc(orders);
      if (relaxed) result.relaxed_executions = executions;
      if (synchronized) result.synchronized_executions = executions;
      if (strongest) result.strongest_executions = executions;
      if (!shown) ++result.forbidden;
      ++result.combinations;
      if (shown == test.forbidden(orders) || (relaxed && executions != test.relaxed_executions) ||
          (synchronized && executions != test.synchronized_executions) ||
          (strongest && executions != test.strongest_executions)) {
        result.wrong = fmt::format("{}: {} executions, {}", describe(test, orders), executions,
                                   shown ? "shown" : "not shown");
      }
    }
  }
  return results;
}

}  // namespace fsqlshm::rc11
