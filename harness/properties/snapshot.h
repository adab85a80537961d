// Judges the seqlock and the single fields behind it, the transaction ids and the gc horizon.
//
// As for the writer indicator, nothing is asked for that only real time would order.

#ifndef FSQLSHM_HARNESS_PROPERTIES_SNAPSHOT_H_
#define FSQLSHM_HARNESS_PROPERTIES_SNAPSHOT_H_

#include <array>
#include <cstdint>
#include <optional>

#include "fsqlshm/types.h"
#include "harness/properties/execution.h"

namespace fsqlshm::harness {

/// What version `version` puts in force: a triple that mixes two versions shows by itself.
[[nodiscard]] constexpr ShmSnapshot triple(std::uint64_t version) noexcept {
  return {CommitSeq(100 + version), SchemaEpoch(200 + version), 300 + version};
}

class SnapshotOracle {
 public:
  /// Versions are smaller than this.
  static constexpr std::size_t kVersions = 32;

  explicit SnapshotOracle(Execution& execution) : execution_(execution) {}

  /// `whole`: the words hold version 0 as a whole. `in_turn`: at most one publisher at a time, so
  /// that versions have an order; without that, D1.
  void reset(bool whole, bool in_turn);

  /// Also for reconcile.
  void publish_begins(unsigned version);
  void publish_ends(unsigned version);
  void load_begins();
  void load_ends(const std::optional<ShmSnapshot>& snapshot);
  /// The version that a field has by this value; kVersions: none.
  [[nodiscard]] static unsigned version_of(Field field, std::uint64_t value);
  /// After load_commit_seq and its likes: what was done before the publish is visible. The version.
  unsigned field_loaded(Field field, std::uint64_t value);
  void unordered_store(Field field);
  /// No publisher is at work.
  void at_rest();
  /// See JudgedHeader::fingerprint.
  [[nodiscard]] std::uint64_t fingerprint() const;

 private:
  struct Publish {
    int thread = -1;
    unsigned position = 0;  // in the order of publication
    std::uint64_t begin_mark = 0;
    std::uint64_t end_mark = 0;
    bool begun = false;
    bool ended = false;
  };

  [[nodiscard]] bool sees(const Publish& publish) const;
  /// The position of the newest publish that ended and that the running thread knows of.
  [[nodiscard]] unsigned newest_known() const;

  Execution& execution_;
  bool whole_ = true;
  bool in_turn_ = true;
  unsigned published_ = 0;
  unsigned highest_ = 0;  // version so far: those above are not in use
  std::array<Publish, kVersions> publishes_{};
  std::array<unsigned, Execution::kThreads> last_position_{};
  std::array<unsigned, Execution::kThreads> known_at_begin_{};
};

class IdOracle {
 public:
  explicit IdOracle(Execution& execution) : execution_(execution) {}
  void reset();
  void alloc_begins();
  void alloc_ends(std::optional<TxnId> id);
  void wrote(std::uint64_t old_value, std::uint64_t new_value);
  /// See JudgedHeader::fingerprint.
  [[nodiscard]] std::uint64_t fingerprint() const;

 private:
  static constexpr std::size_t kIds = 32;
  struct Allocation {
    std::uint64_t id = 0;
    int thread = 0;
    std::uint64_t begin_mark = 0;
    std::uint64_t end_mark = 0;
  };
  struct Call {
    std::uint64_t mark = 0;
    std::uint64_t largest_known = 0;  // of the ids handed out before the call
  };

  Execution& execution_;
  std::array<Allocation, kIds> allocations_{};
  std::size_t count_ = 0;
  std::array<Call, Execution::kThreads + 1> calls_{};
};

/// The gc horizon carries what was done before it was stored.
class HorizonOracle {
 public:
  explicit HorizonOracle(Execution& execution) : execution_(execution) {}
  void reset() { stores_ = {}; }
  /// REQUIRES: value < 8, each stored once.
  void store_begins(std::uint64_t value);
  void loaded(std::uint64_t value);

 private:
  struct Store {
    int thread = -1;
    std::uint64_t mark = 0;
  };
  Execution& execution_;
  std::array<Store, 8> stores_{};
};

}  // namespace fsqlshm::harness

#endif  // FSQLSHM_HARNESS_PROPERTIES_SNAPSHOT_H_
