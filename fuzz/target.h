// What a fuzz target is. Each file in targets/ defines one, and is all that there is to say about
// it: the programs answer --describe from it, and everything else asks them.

#ifndef FSQLSHM_FUZZ_TARGET_H_
#define FSQLSHM_FUZZ_TARGET_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/mutator.h"
#include "fuzz/wire.h"

namespace fsqlshm::fuzz {

/// A property that does not hold for an input. A crash is found by the sanitizers instead. Small:
/// what judges returns it by value millions of times a second, and a third string costs 15 % under
/// ASan.
struct Failure {
  std::string property{};     ///< which one; the same for every input that breaks it the same way
  std::string detail{};       ///< what was expected and what was seen
  std::string_view defect{};  ///< the defect of the published protocol that it shows, "D3"
};

/// A piece of an input that the reducer may set to `plain`, its default bytes.
struct Unit {
  std::string name{};
  std::size_t offset = 0;
  std::vector<std::uint8_t> plain{};
};

/// Fields of one size that follow each other in an input.
struct Fields {
  std::string_view name;
  std::size_t size = 1;
  std::size_t count = 1;
};

/// The units of an input that is a head, and records if there are any, made of these fields; the
/// default of each is zero.
[[nodiscard]] std::vector<Unit> units_of(Bytes input, std::span<const Fields> head,
                                         std::span<const Fields> record = {});

/// Bytes that the engine's own mutator is to know.
struct DictionaryEntry {
  std::string_view name;
  std::string_view bytes;
};

/// The part of all executions that has to move `counter`.
struct Share {
  std::string_view counter{};
  double at_least = 0;
};

/// A fault that is in what the target attacks: a run that cannot find it checks nothing. An input
/// that shows it is kept in corpus/regressions/TARGET/NAME.
struct KnownFault {
  std::string_view name;        ///< the defect, or what else it is called
  std::string_view property{};  ///< what a failure says that shows it; empty: it names the defect
  std::string_view option{};    ///< the option that makes the target look for it alone, if one does
  bool searched = true;         ///< whether campaigns look for it
};

struct Target {
  std::string_view name;
  /// What the input is, and what the answers are compared with; one line for a person.
  std::string_view description{};
  /// Largest input that makes sense, in bytes.
  std::size_t max_size = 0;
  /// Runs one input.
  std::optional<Failure> (*run)(Bytes input) = nullptr;
  /// Null: the engine's own.
  Mutate mutate = nullptr;
  Cross cross = nullptr;
  /// The pieces of `input`, for the reducer.
  std::vector<Unit> (*units)(Bytes input) = nullptr;
  /// Makes a reduced input consistent again, for example its checksum; may be null.
  void (*repair)(MutableBytes input) = nullptr;
  /// The repeated records after the fixed head, for the reducer, if there are any.
  RecordShape records{};
  /// What the input does, for a person; may be null.
  std::string (*explain)(Bytes input) = nullptr;
  /// Reads `--name=value` from the command line; false if it is not known. May be null.
  bool (*option)(std::string_view argument) = nullptr;
  /// Whether that reads --subject=PATH.so (subject_under_test.h).
  bool takes_subject = false;

  /// The target whose seeds, in corpus/TARGET, these are, if it is another one.
  std::string_view seeds_of{};
  std::span<const DictionaryEntry> dictionary{};
  /// Counters that a run has to move: one that does not is vacuous.
  std::span<const std::string_view> reaches{};
  Share share{};
  /// Its share of a campaign's time; 0: none.
  double weight = 1;
  /// Empty for a target that attacks the library.
  std::span<const KnownFault> known_faults{};
};

/// The target of this program.
extern const Target kTarget;

}  // namespace fsqlshm::fuzz

#endif  // FSQLSHM_FUZZ_TARGET_H_
