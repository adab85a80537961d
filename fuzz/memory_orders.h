// Which memory orders an operation may name; the others are undefined behaviour.

#ifndef FSQLSHM_FUZZ_MEMORY_ORDERS_H_
#define FSQLSHM_FUZZ_MEMORY_ORDERS_H_

#include <atomic>
#include <initializer_list>

namespace fsqlshm::fuzz {

[[nodiscard]] constexpr unsigned order_set(std::initializer_list<std::memory_order> orders) {
  unsigned set = 0;
  for (const std::memory_order order : orders) set |= 1U << static_cast<unsigned>(order);
  return set;
}

/// For a load, and for the failure of a compare_exchange.
[[nodiscard]] constexpr bool legal_for_load(std::memory_order order) noexcept {
  constexpr unsigned kSet = order_set({std::memory_order::relaxed, std::memory_order::consume,
                                       std::memory_order::acquire, std::memory_order::seq_cst});
  return ((kSet >> static_cast<unsigned>(order)) & 1U) != 0;
}

[[nodiscard]] constexpr bool legal_for_store(std::memory_order order) noexcept {
  constexpr unsigned kSet = order_set(
      {std::memory_order::relaxed, std::memory_order::release, std::memory_order::seq_cst});
  return ((kSet >> static_cast<unsigned>(order)) & 1U) != 0;
}

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_MEMORY_ORDERS_H_
