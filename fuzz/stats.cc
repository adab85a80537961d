#include "fuzz/stats.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace fsqlshm::fuzz {
namespace {

// Counters are made before main, in any order of translation units: constant-initialised.
constinit Counter* g_first = nullptr;

std::string& target_name() {
  static std::string name;
  return name;
}

void print_counters() {
  std::fprintf(stderr, "fsqlshm-stats {\"target\": \"%s\"", target_name().c_str());
  for (const Counter* counter = g_first; counter != nullptr; counter = counter->next()) {
    std::fprintf(stderr, ", \"%s\": %" PRIu64, counter->name(), counter->value());
  }
  std::fprintf(stderr, "}\n");
}

}  // namespace

Counter::Counter(const char* name) noexcept : name_(name), next_(g_first) { g_first = this; }

std::uint64_t counter_value(std::string_view name) noexcept {
  for (const Counter* counter = g_first; counter != nullptr; counter = counter->next()) {
    if (counter->name() == name) return counter->value();
  }
  return 0;
}

void print_counters_at_exit(std::string_view target) {
  target_name() = target;
  std::atexit(print_counters);
}

}  // namespace fsqlshm::fuzz
