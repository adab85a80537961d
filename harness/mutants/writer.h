// Mutants of the serialized-writer indicator.

#ifndef FSQLSHM_HARNESS_MUTANTS_WRITER_H_
#define FSQLSHM_HARNESS_MUTANTS_WRITER_H_

#include <cstdint>
#include <utility>

#include "fsqlshm/types.h"
#include "harness/mutants/mutant.h"

namespace fsqlshm::harness::mutants {

// --- acquire -----------------------------------------------------------------------------------

struct DirectAcquire : Mutant {
  static constexpr Info kInfo = {"direct-acquire",
                                 "acquire owns the indicator before its words are there", "P",
                                 "claimer-dies"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
      if (!this->change_state(0, id.get())) return false;
      this->set_owners_words({next_pid_and_gen(0, pid), birth, lease}, memory_order::release);
      return true;
    }
  };
};

struct WaitingAcquire : Mutant {
  static constexpr Info kInfo = {"waiting-acquire",
                                 "acquire waits for claimers and cleaners, dead or alive", kP6,
                                 "owner-dies"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
      while (this->in_transition(this->state())) this->words.pause();
      return hardened::WriterIndicator<W>::acquire(id, pid, birth, lease);
    }
  };
};

struct AcquireWaitsForOwner : Mutant {
  static constexpr Info kInfo = {"acquire-waits-for-owner",
                                 "acquire waits for the owner instead of giving up", kP6,
                                 "acquire-acquire"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
      while (this->check()) this->words.pause();
      return hardened::WriterIndicator<W>::acquire(id, pid, birth, lease);
    }
  };
};

struct AcquireSteals : Mutant {
  static constexpr Info kInfo = {"acquire-steals", "acquire takes the indicator from its owner",
                                 kP1, "acquire-acquire"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
      this->set_state(0, memory_order::relaxed);
      return hardened::WriterIndicator<W>::acquire(id, pid, birth, lease);
    }
  };
};

struct AcquireAlwaysTrue : Mutant {
  static constexpr Info kInfo = {"acquire-always-true", "acquire returns true whatever happened",
                                 kP1, "acquire-acquire"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
      static_cast<void>(hardened::WriterIndicator<W>::acquire(id, pid, birth, lease));
      return true;
    }
  };
};

// --- release -----------------------------------------------------------------------------------

struct DirectRelease : Mutant {
  static constexpr Info kInfo = {"direct-release",
                                 "release frees the indicator before it zeroes the words", "P",
                                 "acquire-release-acquire"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool release(TxnId id) {
      if (!this->change_state(id.get(), 0)) return false;
      this->set_owners_words({});
      return true;
    }
  };
};

struct UncheckedRelease : Mutant {
  static constexpr Info kInfo = {"unchecked-release", "release cleans what may be another's by now",
                                 "P", "evicted-owner-releases"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool release(TxnId id) {
      if (this->state() != id.get()) return false;
      this->set_state(this->cleaning());
      this->set_owners_words({});
      this->set_state(0);
      return true;
    }
  };
};

struct ReleaseClearsFirst : Mutant {
  static constexpr Info kInfo = {"release-clears-first",
                                 "release zeroes the lease before it asks who owns it", "P",
                                 "evicted-owner-releases"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool release(TxnId id) {
      this->words.store(Field::kSerializedWriterLeaseExpiry, 0, memory_order::relaxed);
      return hardened::WriterIndicator<W>::release(id);
    }
  };
};

struct ReleaseAlwaysTrue : Mutant {
  static constexpr Info kInfo = {"release-always-true", "release returns true after an eviction",
                                 kP5, "evicted-owner-releases"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool release(TxnId id) {
      static_cast<void>(hardened::WriterIndicator<W>::release(id));
      return true;
    }
  };
};

struct ReleasesAnyOwner : Mutant {
  static constexpr Info kInfo = {"releases-any-owner", "release frees the indicator of any owner",
                                 "P", "evicted-owner-releases"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool release(TxnId) {
      const auto owner = this->check();
      return owner && hardened::WriterIndicator<W>::release(*owner);
    }
  };
};

struct LeavesTheLease : Mutant {
  static constexpr Info kInfo = {"leaves-the-lease", "release forgets to zero the lease", "P",
                                 "acquire-release-acquire"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    bool release(TxnId id) {
      const auto lease =
          this->words.load(Field::kSerializedWriterLeaseExpiry, memory_order::relaxed);
      if (!hardened::WriterIndicator<W>::release(id)) return false;
      this->words.store(Field::kSerializedWriterLeaseExpiry, lease, memory_order::relaxed);
      return true;
    }
  };
};

// --- check -------------------------------------------------------------------------------------

struct NeverTakesOver : Mutant {
  static constexpr Info kInfo = {"never-takes-over",
                                 "a check leaves claims and cleanings of dead processes", kP4,
                                 "claimer-dies"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    template <class Alive>
    [[nodiscard]] Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
      if (this->in_transition(this->state())) return Exclusion::kBusy;
      return hardened::WriterIndicator<W>::check_exclusion(now, std::forward<Alive>(alive));
    }
  };
};

struct AlwaysTakesOver : Mutant {
  static constexpr Info kInfo = {
      "always-takes-over", "a check takes live claimers and cleaners for dead", kP1, "check-claim"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    template <class Alive>
    [[nodiscard]] Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
      const std::uint64_t state = this->state();
      if (!this->in_transition(state)) {
        return hardened::WriterIndicator<W>::check_exclusion(now, std::forward<Alive>(alive));
      }
      const std::uint64_t cleaning = this->cleaning();
      if (!this->change_state(state, cleaning, memory_order::relaxed)) return Exclusion::kBusy;
      this->set_owners_words({});
      this->change_state(cleaning, 0, memory_order::release);
      return Exclusion::kOk;
    }
  };
};

struct NeverClears : Mutant {
  static constexpr Info kInfo = {"never-clears", "a check never clears a stale owner", kP4,
                                 "owner-dies"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    template <class Alive>
    [[nodiscard]] Exclusion check_exclusion(std::uint64_t, Alive&&) {
      return this->state() == 0 ? Exclusion::kOk : Exclusion::kBusy;
    }
  };
};

struct EvictsByStore : Mutant {
  static constexpr Info kInfo = {"evicts-by-store",
                                 "a check evicts the owner that is there by the time it has judged",
                                 "P", "check-claim"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    template <class Alive>
    [[nodiscard]] Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
      const std::uint64_t state = this->state();
      const WriterWords seen = this->owners_words();
      if (!TxnId::in_domain(state) || !seen.stale(now, alive)) {
        return hardened::WriterIndicator<W>::check_exclusion(now, std::forward<Alive>(alive));
      }
      this->set_state(this->cleaning(), memory_order::relaxed);
      this->set_owners_words({});
      this->set_state(0);
      return Exclusion::kOk;
    }
  };
};

struct TrustingCheck : Mutant {
  static constexpr Info kInfo = {"trusting-check",
                                 "a check answers busy for words that are being zeroed",
                                 kBusyProperty, "check-release"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    template <class Alive>
    [[nodiscard]] Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
      const std::uint64_t state = this->state();
      if (state == 0) return Exclusion::kOk;
      const WriterWords words = this->owners_words();
      if (!this->in_transition(state) && !words.stale(now, alive)) return Exclusion::kBusy;
      return hardened::WriterIndicator<W>::check_exclusion(now, std::forward<Alive>(alive));
    }
  };
};

struct CheckAlwaysOk : Mutant {
  static constexpr Info kInfo = {"check-always-ok", "a check answers ok whatever it finds", kP1,
                                 "successive-owners"};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    template <class Alive>
    [[nodiscard]] Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
      static_cast<void>(hardened::WriterIndicator<W>::check_exclusion(now, alive));
      return Exclusion::kOk;
    }
  };
};

struct LeaseEndsLate : Mutant {
  static constexpr Info kInfo = {"lease-ends-late", "a lease ends one second late", "", ""};
  template <Words W>
  struct WriterIndicator : mutants::WriterIndicator<W> {
    using mutants::WriterIndicator<W>::WriterIndicator;
    template <class Alive>
    [[nodiscard]] Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
      return hardened::WriterIndicator<W>::check_exclusion(now == 0 ? 0 : now - 1, alive);
    }
  };
};

}  // namespace fsqlshm::harness::mutants

#endif  // FSQLSHM_HARNESS_MUTANTS_WRITER_H_
