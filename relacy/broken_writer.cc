// Writer indicators that are broken on purpose, each in one place: what the scenarios must
// notice. They exist for the harness's own tests; a check that cannot fail checks nothing.

#include "subjects.h"

namespace fsqlshm::relacy {
namespace {

using std::memory_order;

template <Words W>
void zero_words(W& words) {
  words.store(Field::kSerializedWriterPidAndGen, 0, memory_order::relaxed);
  words.store(Field::kSerializedWriterPidBirth, 0, memory_order::relaxed);
  words.store(Field::kSerializedWriterLeaseExpiry, 0, memory_order::relaxed);
}

// Frees the indicator first and cleans up behind itself.
template <Words W>
class DirectRelease : public hardened::WriterIndicator<W> {
 public:
  explicit DirectRelease(W& words) : hardened::WriterIndicator<W>(words), words_(words) {}
  bool release(TxnId id) {
    std::uint64_t expected = id.get();
    if (!words_.compare_exchange(Field::kSerializedWriterTxnId, expected, 0, memory_order::acq_rel,
                                 memory_order::relaxed)) {
      return false;
    }
    zero_words(words_);
    return true;
  }

 private:
  W& words_;
};

// Owns the indicator before its words are there.
template <Words W>
class DirectAcquire : public hardened::WriterIndicator<W> {
 public:
  explicit DirectAcquire(W& words) : hardened::WriterIndicator<W>(words), words_(words) {}
  bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
    std::uint64_t expected = 0;
    if (!words_.compare_exchange(Field::kSerializedWriterTxnId, expected, id.get(),
                                 memory_order::acq_rel, memory_order::relaxed)) {
      return false;
    }
    words_.store(Field::kSerializedWriterPidAndGen, next_pid_and_gen(0, pid),
                 memory_order::release);
    words_.store(Field::kSerializedWriterPidBirth, birth, memory_order::release);
    words_.store(Field::kSerializedWriterLeaseExpiry, lease, memory_order::release);
    return true;
  }

 private:
  W& words_;
};

// Cleans without asking whether it still owns the indicator.
template <Words W>
class BlindRelease : public hardened::WriterIndicator<W> {
 public:
  explicit BlindRelease(W& words) : hardened::WriterIndicator<W>(words), words_(words) {}
  bool release(TxnId id) {
    if (words_.load(Field::kSerializedWriterTxnId, memory_order::acquire) != id.get()) return false;
    words_.store(Field::kSerializedWriterTxnId,
                 hardened::state_word(hardened::WriterTag::kCleaning, words_.self()),
                 memory_order::release);
    zero_words(words_);
    words_.store(Field::kSerializedWriterTxnId, 0, memory_order::release);
    return true;
  }

 private:
  W& words_;
};

// What a check does with a claim or a cleaning that it finds.
enum class Manners : std::uint8_t { kNeverTakesOver, kAlwaysTakesOver };

template <Words W, Manners kManners>
class RudeCheck : public hardened::WriterIndicator<W> {
 public:
  explicit RudeCheck(W& words) : hardened::WriterIndicator<W>(words), words_(words) {}
  template <class Alive>
  [[nodiscard]] Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
    using hardened::WriterTag;
    std::uint64_t state = words_.load(Field::kSerializedWriterTxnId, memory_order::acquire);
    const WriterTag tag = hardened::writer_tag(state);
    if (tag != WriterTag::kClaiming && tag != WriterTag::kCleaning) {
      return hardened::WriterIndicator<W>::check_exclusion(now, std::forward<Alive>(alive));
    }
    if (kManners == Manners::kNeverTakesOver) return Exclusion::kBusy;
    const std::uint64_t cleaning = hardened::state_word(WriterTag::kCleaning, words_.self());
    if (!words_.compare_exchange(Field::kSerializedWriterTxnId, state, cleaning,
                                 memory_order::relaxed, memory_order::relaxed)) {
      return Exclusion::kBusy;
    }
    zero_words(words_);
    std::uint64_t expected = cleaning;
    words_.compare_exchange(Field::kSerializedWriterTxnId, expected, 0, memory_order::release,
                            memory_order::relaxed);
    return Exclusion::kOk;
  }

 private:
  W& words_;
};
template <Words W>
using NeverTakesOver = RudeCheck<W, Manners::kNeverTakesOver>;
template <Words W>
using AlwaysTakesOver = RudeCheck<W, Manners::kAlwaysTakesOver>;

// Evicts whoever is there by the time it has judged.
template <Words W>
class EvictsByStore : public hardened::WriterIndicator<W> {
 public:
  explicit EvictsByStore(W& words) : hardened::WriterIndicator<W>(words), words_(words) {}
  template <class Alive>
  [[nodiscard]] Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
    const std::uint64_t state = words_.load(Field::kSerializedWriterTxnId, memory_order::acquire);
    const WriterWords seen{words_.load(Field::kSerializedWriterPidAndGen, memory_order::relaxed),
                           words_.load(Field::kSerializedWriterPidBirth, memory_order::relaxed),
                           words_.load(Field::kSerializedWriterLeaseExpiry, memory_order::relaxed)};
    if (!TxnId::in_domain(state) || !seen.stale(now, alive)) {
      return hardened::WriterIndicator<W>::check_exclusion(now, std::forward<Alive>(alive));
    }
    words_.store(Field::kSerializedWriterTxnId,
                 hardened::state_word(hardened::WriterTag::kCleaning, words_.self()),
                 memory_order::relaxed);
    zero_words(words_);
    words_.store(Field::kSerializedWriterTxnId, 0, memory_order::release);
    return Exclusion::kOk;
  }

 private:
  W& words_;
};

// Judges words without a second look at whose they are.
template <Words W>
class TrustingCheck : public hardened::WriterIndicator<W> {
 public:
  explicit TrustingCheck(W& words) : hardened::WriterIndicator<W>(words), words_(words) {}
  template <class Alive>
  [[nodiscard]] Exclusion check_exclusion(std::uint64_t now, Alive&& alive) {
    const std::uint64_t state = words_.load(Field::kSerializedWriterTxnId, memory_order::acquire);
    if (state == 0) return Exclusion::kOk;
    const WriterWords words = {
        words_.load(Field::kSerializedWriterPidAndGen, memory_order::acquire),
        words_.load(Field::kSerializedWriterPidBirth, memory_order::acquire),
        words_.load(Field::kSerializedWriterLeaseExpiry, memory_order::acquire)};
    if (hardened::writer_tag(state) == hardened::WriterTag::kFreeOrOwned &&
        !words.stale(now, alive)) {
      return Exclusion::kBusy;
    }
    return hardened::WriterIndicator<W>::check_exclusion(now, std::forward<Alive>(alive));
  }

 private:
  W& words_;
};

// Waits for claimers and cleaners, also for dead ones.
template <Words W>
class WaitingAcquire : public hardened::WriterIndicator<W> {
 public:
  explicit WaitingAcquire(W& words) : hardened::WriterIndicator<W>(words), words_(words) {}
  bool acquire(TxnId id, std::uint32_t pid, std::uint64_t birth, std::uint64_t lease) {
    using hardened::WriterTag;
    while (true) {
      const WriterTag tag =
          hardened::writer_tag(words_.load(Field::kSerializedWriterTxnId, memory_order::acquire));
      if (tag != WriterTag::kClaiming && tag != WriterTag::kCleaning) break;
      words_.pause();
    }
    return hardened::WriterIndicator<W>::acquire(id, pid, birth, lease);
  }

 private:
  W& words_;
};

template <template <class> class T>
struct WithIndicator : HardenedProtocol {
  static constexpr std::string_view kName = "broken";
  template <Words W>
  using WriterIndicator = T<W>;
};

template <template <class> class T>
Subject broken(std::string_view name, std::string description, std::string caught_by,
               std::string property) {
  Scenarios<WithIndicator<T>> list;
  add_writer_scenarios(list);
  return broken_subject(name, std::move(description), std::move(caught_by), std::move(property),
                        list.take());
}

}  // namespace

void add_broken_writer_subjects(std::vector<Subject>& subjects) {
  subjects.push_back(broken<DirectRelease>("direct-release",
                                           "release frees the indicator before it zeroes the words",
                                           "acquire-release-acquire", "P2"));
  subjects.push_back(broken<DirectAcquire>("direct-acquire",
                                           "acquire owns the indicator before its words are there",
                                           "claimer-dies", "P"));
  subjects.push_back(broken<BlindRelease>("blind-release",
                                          "release cleans what may be another's by now",
                                          "evicted-owner-releases", "P"));
  subjects.push_back(broken<NeverTakesOver>(
      "never-takes-over", "a check leaves dead claimers and cleaners where they are",
      "claimer-dies", "P4"));
  subjects.push_back(broken<AlwaysTakesOver>("always-takes-over",
                                             "a check takes live claimers and cleaners for dead",
                                             "check-claim", "P1"));
  subjects.push_back(broken<EvictsByStore>(
      "evicts-by-store", "a check evicts whoever is there by the time it has judged", "check-claim",
      "P"));
  subjects.push_back(broken<TrustingCheck>("trusting-check",
                                           "a check answers busy for words that are being zeroed",
                                           "check-release", std::string(kBusyProperty)));
  subjects.push_back(broken<WaitingAcquire>(
      "waiting-acquire", "acquire waits for claimers and cleaners, dead or alive", "owner-dies",
      "P6"));
}

}  // namespace fsqlshm::relacy
