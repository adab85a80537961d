// What a fuzz target is. Each file in targets/ defines one; the libFuzzer entry points and the
// replay program are the same for all of them.

#ifndef FSQLSHM_FUZZ_TARGET_H_
#define FSQLSHM_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/mutator.h"
#include "fuzz/wire.h"

namespace fsqlshm::fuzz {

/// A property that does not hold for an input. A crash is found by the sanitizers instead.
struct Failure {
  std::string property{};  ///< which one; the same for every input that breaks it the same way
  std::string detail{};    ///< what was expected and what was seen
};

/// A piece of an input that the reducer may set to `plain`, its dullest content.
struct Unit {
  std::string name{};
  std::size_t offset = 0;
  std::vector<std::uint8_t> plain{};
};

struct Target {
  std::string_view name;
  /// Largest input that makes sense, in bytes.
  std::size_t max_size;
  /// Runs one input.
  std::optional<Failure> (*run)(Bytes input) = nullptr;
  /// Null: the engine's own.
  Mutate mutate = nullptr;
  Cross cross = nullptr;
  /// The pieces of `input`, for the reducer.
  std::vector<Unit> (*units)(Bytes input) = nullptr;
  /// Makes a reduced input consistent again, for example its checksum; may be null.
  void (*repair)(MutableBytes input) = nullptr;
  /// Sizes of the repeated records after the fixed head, for the reducer; 0 if there are none.
  std::size_t head_size = 0;
  std::size_t record_size = 0;
  /// What the input does, for a person; may be null.
  std::string (*explain)(Bytes input) = nullptr;
  /// Reads `--name=value` from the command line; false if it is not known. May be null.
  bool (*option)(std::string_view argument) = nullptr;
};

/// The target of this program.
[[nodiscard]] const Target& target();

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_TARGET_H_
