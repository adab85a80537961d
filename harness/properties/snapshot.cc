#include "harness/properties/snapshot.h"

#include <algorithm>

#include "harness/properties/say.h"
#include "harness/random.h"

namespace fsqlshm::harness {
namespace {

constexpr std::uint64_t first_value(Field field) {
  return field == Field::kCommitSeq     ? triple(0).commit_seq.get()
         : field == Field::kSchemaEpoch ? triple(0).schema_epoch.get()
                                        : triple(0).ecs_epoch;
}

}  // namespace

void SnapshotOracle::reset(bool whole, bool in_turn) {
  std::fill_n(publishes_.begin(), highest_ + 1, Publish{});
  whole_ = whole;
  in_turn_ = in_turn;
  published_ = 0;
  highest_ = 0;
  last_position_ = {};
  known_at_begin_ = {};
}

// Whether the running thread sees what was done before this publish.
bool SnapshotOracle::sees(const Publish& publish) const {
  return !publish.begun || publish.thread < 0 || publish.thread == execution_.thread() ||
         execution_.knows(publish.thread, publish.begin_mark);
}

unsigned SnapshotOracle::newest_known() const {
  unsigned newest = 0;
  for (unsigned version = 0; version <= highest_; ++version) {
    const Publish& publish = publishes_[version];
    if (publish.ended && publish.position > newest &&
        (publish.thread < 0 || execution_.knows(publish.thread, publish.end_mark))) {
      newest = publish.position;
    }
  }
  return newest;
}

void SnapshotOracle::publish_begins(unsigned version) {
  remark(execution_, "publish(version {})", version);
  publishes_[version] = {.thread = execution_.thread(),
                         .position = ++published_,
                         .begin_mark = execution_.mark(),
                         .begun = true};
  highest_ = std::max(highest_, version);
}

void SnapshotOracle::publish_ends(unsigned version) {
  publishes_[version].end_mark = execution_.clock();
  publishes_[version].ended = true;
  if (in_turn_) at_rest();
}

void SnapshotOracle::load_begins() {
  if (execution_.sequentially_consistent() && execution_.thread() >= 0) {
    known_at_begin_[static_cast<std::size_t>(execution_.thread())] = newest_known();
  }
}

void SnapshotOracle::load_ends(const std::optional<ShmSnapshot>& snapshot) {
  if (!snapshot) {
    remark(execution_, "load: none");
    return;
  }
  const std::uint64_t commit = snapshot->commit_seq.get();
  remark(execution_, "load: ({}, {}, {})", commit, snapshot->schema_epoch.get(),
         snapshot->ecs_epoch);
  const std::uint64_t version = commit - first_value(Field::kCommitSeq);
  if (version >= kVersions || *snapshot != triple(version) ||
      (!publishes_[version].begun && !(version == 0 && whole_))) {
    violate(execution_, in_turn_ ? "" : "D1", kI2Whole,
            "a reader accepts what no publish put in force", "({}, {}, {})", commit,
            snapshot->schema_epoch.get(), snapshot->ecs_epoch);
    return;
  }
  if (!in_turn_ || execution_.thread() < 0) return;
  const Publish& publish = publishes_[version];
  const auto thread = static_cast<std::size_t>(execution_.thread());
  if (publish.position < last_position_[thread]) {
    violate(execution_, "", kI3Back, "a reader gets an older version after a younger one",
            "version {}", version);
  }
  last_position_[thread] = publish.position;
  // Under weak memory a thread learns of a publish by its own loads, the first of which may be in
  // this call; where every step sees all before it, what ended during the call need not be in the
  // answer.
  const unsigned known =
      execution_.sequentially_consistent() ? known_at_begin_[thread] : newest_known();
  if (publish.position < known) {
    violate(execution_, "", kI3Back, "a reader gets an older version than it knows of",
            "version {}", version);
  }
  if (!sees(publish)) {
    violate(execution_, "", kVisibility, "a reader gets a version without what was done before it",
            "version {}", version);
  }
}

unsigned SnapshotOracle::version_of(Field field, std::uint64_t value) {
  const std::uint64_t version = value - first_value(field);
  return static_cast<unsigned>(std::min<std::uint64_t>(version, kVersions));
}

unsigned SnapshotOracle::field_loaded(Field field, std::uint64_t value) {
  remark(execution_, "load {}: {}", field_name(field), value);
  const unsigned version = version_of(field, value);
  if (version >= kVersions) {
    violate(execution_, "", kI2Whole, "a field has a value that none stored", "{} is {}",
            field_name(field), value);
    return 0;
  }
  if (!sees(publishes_[version])) {
    violate(execution_, "", kVisibility,
            "a field is loaded without what was done before it was stored", "{} {}",
            field_name(field), value);
  }
  return version;
}

// As for the writer's words: a model checker would not show that the older store stays.
void SnapshotOracle::unordered_store(Field field) {
  if (!in_turn_ || field < Field::kSnapshotSeq || field > Field::kEcsEpoch) return;
  violate(execution_, "", kI3Back,
          "a word is written, and nothing orders that behind the write before it", "{}",
          field_name(field));
}

void SnapshotOracle::at_rest() {
  const std::uint64_t seq = execution_.newest(Field::kSnapshotSeq);
  if (seq % 2 == 0) return;
  violate(execution_, "", kI1Even, "the sequence number is odd although no publisher is at work",
          "{}", seq);
}

std::uint64_t SnapshotOracle::fingerprint() const {
  std::uint64_t all = mix(published_);
  for (unsigned version = 0; version <= highest_; ++version) {
    const Publish& publish = publishes_[version];
    all =
        mix(all ^ (publish.position << 2U | (publish.begun ? 2U : 0U) | (publish.ended ? 1U : 0U)));
  }
  for (std::size_t i = 0; i < last_position_.size(); ++i) {
    all = mix(all ^ (static_cast<std::uint64_t>(last_position_[i]) << 32 | known_at_begin_[i]));
  }
  return all;
}

// --- ids -----------------------------------------------------------------------------------------

void IdOracle::reset() {
  count_ = 0;
  calls_ = {};
}

void IdOracle::alloc_begins() {
  remark(execution_, "alloc");
  Call call{.mark = execution_.mark()};
  for (std::size_t i = 0; i < count_; ++i) {
    const Allocation& other = allocations_[i];
    if (other.thread < 0 || execution_.knows(other.thread, other.end_mark)) {
      call.largest_known = std::max(call.largest_known, other.id);
    }
  }
  calls_[execution_.slot()] = call;
}

void IdOracle::alloc_ends(std::optional<TxnId> id) {
  remark(execution_, "alloc: {}", id ? id->get() : 0);
  const Call call = calls_[execution_.slot()];
  if (!id) {
    if (execution_.newest(Field::kNextTxnId) <= TxnId::kMaxRaw) {
      violate(execution_, "", kIdDomain, "no id although there are some left", "next_txn_id is {}",
              execution_.newest(Field::kNextTxnId));
    }
    return;
  }
  const std::uint64_t mine = id->get();
  for (std::size_t i = 0; i < count_; ++i) {
    const Allocation& other = allocations_[i];
    if (other.id == mine) {
      violate(execution_, "", kIdUnique, "an id is handed out twice", "{}", mine);
    } else if (other.id < mine && other.thread >= 0 && other.thread != execution_.thread() &&
               !execution_.knows(other.thread, other.begin_mark)) {
      violate(execution_, "", kIdOrder,
              "an id does not see what the owner of a smaller one did before", "{} and {}", mine,
              other.id);
    }
  }
  if (mine < call.largest_known) {
    violate(execution_, "", kIdOrder, "an id is smaller than one that was known before the call",
            "{} and {}", mine, call.largest_known);
  }
  if (count_ == kIds) return;
  allocations_[count_++] = {mine, execution_.thread(), call.mark, execution_.clock()};
}

void IdOracle::wrote(std::uint64_t old_value, std::uint64_t new_value) {
  if (new_value == old_value + 1 && new_value <= TxnId::kMaxRaw + 1) return;
  violate(execution_, "", kIdDomain, "next_txn_id changes by more than one, or beyond its end",
          "from {} to {}", old_value, new_value);
}

std::uint64_t IdOracle::fingerprint() const {
  std::uint64_t all = mix(count_);
  for (std::size_t i = 0; i < count_; ++i) all = mix(all ^ allocations_[i].id);
  for (const Call& call : calls_) all = mix(all ^ call.largest_known);
  return all;
}

// --- the gc horizon ------------------------------------------------------------------------------

void HorizonOracle::store_begins(std::uint64_t value) {
  stores_[value] = {execution_.thread(), execution_.mark()};
}

void HorizonOracle::loaded(std::uint64_t value) {
  if (value == 0) return;
  if (value >= stores_.size()) {
    violate(execution_, "", kVisibility, "the horizon has a value that none stored", "{}", value);
  } else if (stores_[value].thread >= 0 &&
             !execution_.knows(stores_[value].thread, stores_[value].mark)) {
    violate(execution_, "", kVisibility,
            "the horizon is loaded without what was done before it was stored", "{}", value);
  }
}

}  // namespace fsqlshm::harness
