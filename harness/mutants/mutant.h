// A mutant is the hardened protocol with one thing wrong. Every engine proves by mutants that it
// notices what it exists for; a check that cannot fail checks nothing.

#ifndef FSQLSHM_HARNESS_MUTANTS_MUTANT_H_
#define FSQLSHM_HARNESS_MUTANTS_MUTANT_H_

#include <atomic>
#include <string_view>

#include "fsqlshm/protocol.h"
#include "harness/properties/execution.h"

namespace fsqlshm::harness::mutants {

using std::memory_order;

/// One row of the table of mutants.
struct Info {
  std::string_view name;      ///< "no-recheck"
  std::string_view wrong;     ///< what is wrong, one line
  std::string_view property;  ///< that it breaks; "P" where it depends on the execution which one
  /// The scenario of the model checker that notices it; empty: only calls one after the other do.
  std::string_view scenario;
};

// What a mutant overrides is a member of one of these; the rest is the library's.

template <Words W>
struct Seqlock : hardened::Seqlock<W> {
  explicit Seqlock(W& seam) : hardened::Seqlock<W>(seam), words(seam) {}
  void store(Field field, std::uint64_t value) { words.store(field, value, memory_order::release); }
  [[nodiscard]] std::uint64_t load(Field field) const {
    return words.load(field, memory_order::acquire);
  }
  W& words;
};

template <Words W>
struct WriterIndicator : hardened::WriterIndicator<W> {
  using Library = hardened::WriterIndicator<W>;
  explicit WriterIndicator(W& seam) : Library(seam), words(seam) {}

  [[nodiscard]] std::uint64_t state() const {
    return words.load(Field::kSerializedWriterTxnId, memory_order::acquire);
  }
  void set_state(std::uint64_t value, memory_order order = memory_order::release) {
    words.store(Field::kSerializedWriterTxnId, value, order);
  }
  bool change_state(std::uint64_t from, std::uint64_t to,
                    memory_order order = memory_order::acq_rel) {
    return words.compare_exchange(Field::kSerializedWriterTxnId, from, to, order,
                                  memory_order::relaxed);
  }
  [[nodiscard]] std::uint64_t cleaning() const {
    return hardened::state_word(hardened::WriterTag::kCleaning, words.self());
  }
  [[nodiscard]] static bool in_transition(std::uint64_t state) {
    const auto tag = hardened::writer_tag(state);
    return tag == hardened::WriterTag::kClaiming || tag == hardened::WriterTag::kCleaning;
  }
  [[nodiscard]] WriterWords owners_words() const {
    return {words.load(Field::kSerializedWriterPidAndGen, memory_order::acquire),
            words.load(Field::kSerializedWriterPidBirth, memory_order::acquire),
            words.load(Field::kSerializedWriterLeaseExpiry, memory_order::acquire)};
  }
  void set_owners_words(const WriterWords& value, memory_order order = memory_order::relaxed) {
    words.store(Field::kSerializedWriterPidAndGen, value.pid_and_gen, order);
    words.store(Field::kSerializedWriterPidBirth, value.birth, order);
    words.store(Field::kSerializedWriterLeaseExpiry, value.lease_expiry, order);
  }
  W& words;
};

struct Mutant : HardenedProtocol {
  static constexpr std::string_view kName = "mutant";
};

}  // namespace fsqlshm::harness::mutants

#endif  // FSQLSHM_HARNESS_MUTANTS_MUTANT_H_
