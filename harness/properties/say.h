// How the oracles say something while nothing may be allocated. For their implementation only. Not
// inline: AddressSanitizer makes a frame for every text of a function, said or not.

#ifndef FSQLSHM_HARNESS_PROPERTIES_SAY_H_
#define FSQLSHM_HARNESS_PROPERTIES_SAY_H_

#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>

#include "harness/properties/execution.h"

namespace fsqlshm::harness {

template <std::size_t kSize, class... Args>
std::string_view format_into(std::array<char, kSize>& buffer, fmt::format_string<Args...> format,
                             Args&&... args) {
  const auto result =
      fmt::format_to_n(buffer.data(), buffer.size(), format, std::forward<Args>(args)...);
  return {buffer.data(), result.out};
}

template <class... Args>
[[gnu::cold, gnu::noinline]] void record_remark(Execution& execution,
                                                fmt::format_string<Args...> format,
                                                Args&&... args) {
  std::array<char, 120> text;
  execution.remark(format_into(text, format, std::forward<Args>(args)...));
}

template <class... Args>
void remark(Execution& execution, fmt::format_string<Args...> format, Args&&... args) {
  if (execution.recording()) record_remark(execution, format, std::forward<Args>(args)...);
}

/// `defect` may be empty.
template <class... Args>
[[gnu::cold, gnu::noinline]] void violate(Execution& execution, std::string_view defect,
                                          std::string_view property, std::string_view rule,
                                          fmt::format_string<Args...> format, Args&&... args) {
  std::array<char, 300> text;
  execution.violated({.property = property,
                      .rule = rule,
                      .detail = format_into(text, format, std::forward<Args>(args)...),
                      .defect = defect});
}

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_PROPERTIES_SAY_H_
