// A mutant is the hardened protocol with one thing wrong. Every engine proves by mutants that it
// notices what it exists for; a check that cannot fail checks nothing.

#ifndef FSQLSHM_HARNESS_MUTANTS_MUTANT_H_
#define FSQLSHM_HARNESS_MUTANTS_MUTANT_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "fsqlshm/protocol.h"
#include "fsqlshm/types.h"
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

// What the functions of a mutant get: the library's operations, and steps to put others together.

template <Words W>
struct Seqlock : hardened::Seqlock<W> {
  explicit Seqlock(W& seam) : hardened::Seqlock<W>(seam), words(seam) {}
  void store(Field field, std::uint64_t value) { words.store(field, value, memory_order::release); }
  [[nodiscard]] std::uint64_t load(Field field) const {
    return words.load(field, memory_order::acquire);
  }
  W& words;
};

/// The arguments of an acquire.
struct Claim {
  TxnId id;
  std::uint32_t pid;
  std::uint64_t birth;
  std::uint64_t lease;
};

template <Words W>
struct WriterIndicator : hardened::WriterIndicator<W> {
  using Library = hardened::WriterIndicator<W>;
  explicit WriterIndicator(W& seam) : Library(seam), words(seam) {}

  bool acquire(const Claim& c) { return Library::acquire(c.id, c.pid, c.birth, c.lease); }
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
  [[nodiscard]] static bool names_nobody(std::uint64_t state) {
    return in_transition(state) && hardened::process_of(state).pid == 0;
  }
  [[nodiscard]] static bool judgeable(const WriterWords& owner) {
    return pid_of(owner.pid_and_gen) != 0 && owner.birth != 0;
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

template <Words W>
struct Allocator : TxnIdAllocator<W> {
  explicit Allocator(W& seam) : TxnIdAllocator<W>(seam), words(seam) {}
  W& words;
};

/// The hardened protocol with the operations that `M` has functions for, under the names below.
template <class M>
struct Mutant : HardenedProtocol {
  static constexpr std::string_view kName = "mutant";

  static void begin(auto& lock) { lock.begin(); }
  static void end(auto& lock) { lock.end(); }
  static void publish(auto& lock, const ShmSnapshot& next) { lock.publish(next); }
  static void reconcile(auto& lock, const ShmSnapshot& durable) { M::publish(lock, durable); }
  static std::optional<ShmSnapshot> try_load(const auto& lock) { return lock.try_load_once(); }
  static bool acquire(auto& writer, const Claim& claim) { return writer.acquire(claim); }
  static bool release(auto& writer, TxnId id) { return writer.release(id); }
  static Exclusion check(auto& writer, std::uint64_t now, auto& alive) {
    return writer.check_exclusion(now, alive);
  }
  static bool clear(auto& writer, std::uint64_t state) { return writer.clear(state); }
  static std::optional<TxnId> alloc(auto& ids) { return ids.alloc(); }

  template <Words W>
  struct Seqlock : mutants::Seqlock<W> {
    using Base = mutants::Seqlock<W>;
    using Base::Base;
    void begin() { M::begin(static_cast<Base&>(*this)); }
    void end() { M::end(static_cast<Base&>(*this)); }
    void publish(const ShmSnapshot& next) { M::publish(static_cast<Base&>(*this), next); }
    void reconcile(const ShmSnapshot& durable) { M::reconcile(static_cast<Base&>(*this), durable); }
    [[nodiscard]] std::optional<ShmSnapshot> try_load_once() const {
      return M::try_load(static_cast<const Base&>(*this));
    }
  };

  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using Base = mutants::WriterIndicator<W>;
    using Base::Base;
    bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
      return M::acquire(static_cast<Base&>(*this), {id, pid, birth, lease});
    }
    bool release(TxnId id) { return M::release(static_cast<Base&>(*this), id); }
    [[nodiscard]] Exclusion check_exclusion(std::uint64_t now, auto&& alive) {
      return M::check(static_cast<Base&>(*this), now, alive);
    }
    bool clear(std::uint64_t state) { return M::clear(static_cast<Base&>(*this), state); }
  };

  template <Words W>
  struct Allocator : mutants::Allocator<W> {
    using Base = mutants::Allocator<W>;
    using Base::Base;
    [[nodiscard]] std::optional<TxnId> alloc() { return M::alloc(static_cast<Base&>(*this)); }
  };

 private:
  friend M;
  Mutant() = default;
};

}  // namespace fsqlshm::harness::mutants

#endif  // FSQLSHM_HARNESS_MUTANTS_MUTANT_H_
