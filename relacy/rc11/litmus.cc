#include "relacy/rc11/litmus.h"

#include <fmt/format.h>

#include <algorithm>

#include "harness/describe.h"
#include "relacy/rc11/explorer.h"

namespace fsqlshm::rc11 {
namespace {

using Order = std::memory_order;
using Line = LitmusTest::Line;

constexpr Location kX = 0;
constexpr Location kY = 1;
constexpr Location kZ = 2;

Line load(Location location, int order = -1) {
  return {.operation = {.access = Access::kLoad, .location = location}, .order = order};
}
Line store(Location location, std::uint64_t value, int order = -1) {
  return {.operation = {.access = Access::kStore, .location = location, .operand = value},
          .order = order};
}
Line add_one(Location location, int order = -1) {
  return {.operation = {.access = Access::kFetchAdd, .location = location, .operand = 1},
          .order = order};
}
Line exchange(Location location, std::uint64_t from, std::uint64_t to, int order = -1) {
  return {.operation = {.access = Access::kCompareExchange,
                        .location = location,
                        .expected = from,
                        .operand = to},
          .order = order};
}

bool always(Orders /*orders*/) { return true; }
bool never(Orders /*orders*/) { return false; }
bool all_sc(Orders orders) {
  return std::ranges::count(orders, Order::seq_cst) == std::ssize(orders);
}
// The orders from `first` on are a release, an acquire, a release ...
bool synchronizes(Orders orders, std::size_t first = 0) {
  for (std::size_t i = first; i < orders.size(); ++i) {
    const bool strong = (i - first) % 2 == 0 ? releases(orders[i]) : acquires(orders[i]);
    if (!strong) return false;
  }
  return true;
}
bool release_acquire(Orders orders) { return synchronizes(orders); }

const std::vector<LitmusTest> kOfTwoThreads = {
    {"SB",
     "store buffering: both loads miss the other's store",
     {{store(kX, 1, 0), load(kY, 1)}, {store(kY, 1, 2), load(kX, 3)}},
     {{0, 1, 0}, {1, 1, 0}},
     all_sc,
     4,
     3},
    {"MP",
     "message passing: the flag without the message",
     {{store(kX, 1), store(kY, 1, 0)}, {load(kY, 1), load(kX)}},
     {{1, 0, 1}, {1, 1, 0}},
     release_acquire,
     4,
     3},
    {"LB",
     "load buffering: each load reads the other's later store",
     {{load(kX, 0), store(kY, 1, 1)}, {load(kY, 2), store(kX, 1, 3)}},
     {{0, 0, 1}, {1, 0, 1}},
     always,
     3,
     3},
    {"2+2W",
     "two writers of two words: the first store of each stays",
     {{store(kX, 1, 0), store(kY, 2, 1)}, {store(kY, 1, 2), store(kX, 2, 3)}},
     {{-1, kX, 1}, {-1, kY, 1}},
     all_sc,
     4,
     3},
    {"R",
     "the second of two stores stays, and its thread misses what came before the first",
     {{store(kX, 1, 0), store(kY, 1, 1)}, {store(kY, 2, 2), load(kX, 3)}},
     {{-1, kY, 2}, {1, 1, 0}},
     all_sc,
     4,
     3},
    {"S",
     "a store that comes after the flag was seen is older than one from before the flag",
     {{store(kX, 2), store(kY, 1, 0)}, {load(kY, 1), store(kX, 1)}},
     {{1, 0, 1}, {-1, kX, 2}},
     release_acquire,
     4,
     3},
    {"SB+rmws",
     "store buffering with read-modify-writes: both miss the other's",
     {{add_one(kX, 0), load(kY, 1)}, {add_one(kY, 2), load(kX, 3)}},
     {{0, 2, 0}, {1, 2, 0}},
     all_sc,
     4,
     3},
    {"CoRR",
     "a younger value, then an older one of the same word",
     {{store(kX, 1, 0)}, {load(kX, 1), load(kX, 2)}},
     {{1, 0, 1}, {1, 1, 0}},
     always,
     3,
     3},
    {"CoWW",
     "the first of two stores of a thread stays",
     {{store(kX, 1, 0), store(kX, 2, 1)}, {load(kX, 2)}},
     {{-1, kX, 1}},
     always,
     3,
     3},
    {"CoWR",
     "a thread stores, then reads what came before its store",
     {{store(kX, 1, 0), load(kX, 1)}, {store(kX, 2, 2)}},
     {{0, 1, 0}},
     always,
     3,
     3},
    {"CoRW1",
     "a thread reads what it stores later",
     {{load(kX, 0), store(kX, 1, 1)}},
     {{0, 0, 1}},
     always,
     1,
     1},
    {"CoRW2",
     "a thread stores after it has read a value, and that value stays",
     {{load(kX, 0), store(kX, 1, 1)}, {store(kX, 2, 2)}},
     {{0, 0, 2}, {-1, kX, 2}},
     always,
     3,
     3},
    {"stale3",
     "a load reads three stores back, after a store that came with the newest",
     {{store(kX, 1), store(kX, 2), store(kX, 3), store(kY, 1, 0)}, {load(kY, 1), load(kX)}},
     {{1, 0, 1}, {1, 1, 0}},
     release_acquire,
     8,
     5},
    {"MP+rel-seq",
     "a later relaxed store of the releasing thread does not carry the release",
     {{store(kX, 1), store(kY, 1, 0), store(kY, 2)}, {load(kY, 1), load(kX)}},
     {{1, 0, 2}, {1, 1, 0}},
     never,
     6,
     5}};

const std::vector<LitmusTest> kOfMoreThreads = {
    {"IRIW",
     "two readers see two writers in opposite orders",
     {{store(kX, 1, 0)}, {store(kY, 1, 1)}, {load(kX, 2), load(kY, 3)}, {load(kY, 4), load(kX, 5)}},
     {{2, 0, 1}, {2, 1, 0}, {3, 0, 1}, {3, 1, 0}},
     all_sc,
     16,
     15},
    {"WRC",
     "a store is passed on by a second thread, and the third misses it",
     {{store(kX, 1, 0)}, {load(kX, 1), store(kY, 1, 2)}, {load(kY, 3), load(kX)}},
     {{1, 0, 1}, {2, 0, 1}, {2, 1, 0}},
     [](Orders orders) { return synchronizes(orders, 2); },
     8,
     7},
    {"ISA2",
     "a message is passed on over two flags, and is not there",
     {{store(kX, 1), store(kY, 1, 0)}, {load(kY, 1), store(kZ, 1, 2)}, {load(kZ, 3), load(kX)}},
     {{1, 0, 1}, {2, 0, 1}, {2, 1, 0}},
     release_acquire,
     8,
     7},
    {"W+RWC",
     "a reader of the flag misses a store, whose thread misses the message",
     {{store(kX, 1), store(kZ, 1, 0)}, {load(kZ, 1), load(kY, 2)}, {store(kY, 1, 3), load(kX, 4)}},
     {{1, 0, 1}, {1, 1, 0}, {2, 1, 0}},
     never,
     8,
     8},
    {"MP+rmw",
     "a relaxed read-modify-write of another thread carries the release on",
     {{store(kX, 1), store(kY, 1, 0)}, {add_one(kY)}, {load(kY, 1), load(kX)}},
     {{2, 0, 2}, {2, 1, 0}, {1, 0, 1}},
     release_acquire,
     12,
     9},
    {"MP+two-rmws",
     "two relaxed read-modify-writes of other threads carry the release on",
     {{store(kX, 1), store(kY, 1, 0)},
      {exchange(kY, 1, 2)},
      {exchange(kY, 2, 3)},
      {load(kY, 1), load(kX)}},
     {{3, 0, 3}, {3, 1, 0}},
     release_acquire,
     28,
     19},
    {"MP+other-store",
     "a store of another thread ends the release sequence",
     {{store(kX, 1), store(kY, 1, 0)}, {store(kY, 2)}, {load(kY, 1), load(kX)}},
     {{2, 0, 2}, {-1, kY, 2}, {2, 1, 0}},
     never,
     12,
     10},
    {"CAS",
     "two of three threads that exchange the same value succeed",
     {{exchange(kX, 0, 1, 0)}, {exchange(kX, 0, 2, 1)}, {exchange(kX, 0, 3, 2)}},
     {{0, 0, 0}, {1, 0, 0}},
     always,
     3,
     3},
    {"CAS-chain",
     "the last link of a chain of exchanges without the first",
     {{exchange(kX, 0, 1, 0)}, {exchange(kX, 1, 2, 1)}, {exchange(kX, 2, 3, 2)}},
     {{-1, kX, 3}, {0, 0, 1}},
     always,
     5,
     5},
    {"counter",
     "three additions of one, and one is lost",
     {{add_one(kX, 0)}, {add_one(kX, 1)}, {add_one(kX, 2)}},
     {{-1, kX, 2}},
     always,
     6,
     6}};

std::string describe(const LitmusTest& test, Orders orders) {
  std::string out = test.name;
  for (const Order order : orders) out += fmt::format(" {}", harness::order_name(order));
  return out;
}

}  // namespace

std::vector<std::vector<Order>> LitmusTest::combinations() const {
  std::vector<const Line*> with_order;
  for (const auto& thread : threads) {
    for (const Line& step : thread) {
      if (step.order >= 0) with_order.push_back(&step);
    }
  }
  std::vector<std::vector<Order>> all = {{}};
  for (const Line* const step : with_order) {
    const Access access = step->operation.access;
    const Order middle = access == Access::kLoad    ? Order::acquire
                         : access == Access::kStore ? Order::release
                                                    : Order::acq_rel;
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
  for (const auto& thread : threads) {
    std::vector<Operation> operations;
    for (const Line& step : thread) {
      Operation& operation = operations.emplace_back(step.operation);
      if (step.order < 0) continue;
      operation.order = orders[static_cast<std::size_t>(step.order)];
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
      const bool strongest = all_sc(orders);
      if (relaxed) result.relaxed_executions = executions;
      if (strongest) result.strongest_executions = executions;
      if (!shown) ++result.forbidden;
      ++result.combinations;
      if (shown == test.forbidden(orders) || (relaxed && executions != test.relaxed_executions) ||
          (strongest && executions != test.strongest_executions)) {
        result.wrong = fmt::format("{}: {} executions, {}", describe(test, orders), executions,
                                   shown ? "shown" : "not shown");
      }
    }
  }
  return results;
}

}  // namespace fsqlshm::rc11
