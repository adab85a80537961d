// Judges the seqlock, the single fields behind it, the transaction ids and the gc horizon.
//
// Version k of the triple is (100 + k, 200 + k, 300 + k), so a torn triple shows. As for the writer
// indicator, nothing is asked for that only real time would order.

#ifndef FSQLSHM_RELACY_SNAPSHOT_ORACLE_H_
#define FSQLSHM_RELACY_SNAPSHOT_ORACLE_H_

#include <array>
#include <cstdint>
#include <optional>

#include "fsqlshm/types.h"
#include "model.h"

namespace fsqlshm::relacy {

inline constexpr std::string_view kI1Even = "I1 even at rest";
inline constexpr std::string_view kI2Whole = "I2 whole triple";
inline constexpr std::string_view kI3Back = "I3 no going back";
inline constexpr std::string_view kI4Ddl = "I4 schema before commit";
inline constexpr std::string_view kVisibility = "visibility";
inline constexpr std::string_view kIdUnique = "I1 unique ids";
inline constexpr std::string_view kIdDomain = "I2 ids end at 2^62-1";
inline constexpr std::string_view kIdOrder = "I3 ids in order";

[[nodiscard]] constexpr ShmSnapshot triple(unsigned version) noexcept {
  return {CommitSeq(100 + version), SchemaEpoch(200 + version), 300 + version};
}

class SnapshotOracle {
 public:
  /// `whole`: the words hold version 0 as a whole. `in_turn`: at most one publisher at a time, so
  /// that versions have an order.
  void reset(bool whole, bool in_turn);

  void publish_begins(unsigned version);
  void publish_ends(unsigned version);
  /// After a load.
  void loaded(const std::optional<ShmSnapshot>& snapshot);
  /// Whether what the running thread read last of the three words is of several versions.
  [[nodiscard]] bool observed_is_torn() const;
  /// After load_commit_seq and its likes: what was done before the publish is visible.
  unsigned field_loaded(Field field, std::uint64_t value);
  void unordered_store(Field field) const;
  void at_rest() const;

 private:
  static constexpr std::size_t kVersions = 8;
  struct Publish {
    int thread = -1;
    unsigned position = 0;  // in the order of publication
    std::uint64_t begin_mark = 0;
    std::uint64_t end_mark = 0;
    bool begun = false;
    bool ended = false;
  };

  bool whole_ = true;
  bool in_turn_ = true;
  unsigned published_ = 0;
  std::array<Publish, kVersions> publishes_{};
  std::array<unsigned, kMaxThreads> last_position_{};
};

class IdOracle {
 public:
  void reset();
  std::uint64_t alloc_begins();
  void alloc_ends(std::uint64_t mark, std::optional<TxnId> id);
  void wrote(std::uint64_t old_value, std::uint64_t new_value);

 private:
  static constexpr std::size_t kIds = 16;
  struct Allocation {
    std::uint64_t id = 0;
    int thread = 0;
    std::uint64_t mark = 0;
  };
  std::array<Allocation, kIds> allocations_{};
  std::size_t count_ = 0;
};

}  // namespace fsqlshm::relacy

#endif  // FSQLSHM_RELACY_SNAPSHOT_ORACLE_H_
