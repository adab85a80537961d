#include "snapshot_oracle.h"

namespace fsqlshm::relacy {
namespace {

constexpr std::uint64_t base_of(Field field) {
  switch (field) {
    case Field::kCommitSeq:
      return 100;
    case Field::kSchemaEpoch:
      return 200;
    case Field::kEcsEpoch:
      return 300;
    default:
      return 0;
  }
}

}  // namespace

void SnapshotOracle::reset(bool whole, bool in_turn) {
  *this = {};
  whole_ = whole;
  in_turn_ = in_turn;
}

void SnapshotOracle::publish_begins(unsigned version) {
  Model& model = Model::get();
  model.note("publish(version {})", version);
  Publish& publish = publishes_[version];
  publish = {.thread = model.thread(), .position = ++published_, .begin_mark = model.mark()};
  publish.begun = true;
}

void SnapshotOracle::publish_ends(unsigned version) {
  publishes_[version].end_mark = Model::get().mark();
  publishes_[version].ended = true;
}

void SnapshotOracle::loaded(const std::optional<ShmSnapshot>& snapshot) {
  Model& model = Model::get();
  if (!snapshot) {
    model.note("load: none");
    return;
  }
  const std::uint64_t commit = snapshot->commit_seq.get();
  const std::uint64_t schema = snapshot->schema_epoch.get();
  const std::uint64_t ecs = snapshot->ecs_epoch;
  model.note("load: ({}, {}, {})", commit, schema, ecs);
  const std::uint64_t version = commit - 100;
  if (schema - 200 != version || ecs - 300 != version || version >= kVersions) {
    model.fail(kI2Whole, "a reader accepted ({}, {}, {})", commit, schema, ecs);
  }
  const Publish& publish = publishes_[version];
  if (!publish.begun && !(version == 0 && whole_)) {
    model.fail(kI2Whole, "a reader accepted version {}, which nobody published", version);
  }
  if (!in_turn_ || model.thread() < 0) return;
  unsigned& last = last_position_[static_cast<std::size_t>(model.thread())];
  if (publish.position < last) {
    model.fail(kI3Back, "a reader got version {} after a younger one", version);
  }
  last = publish.position;
  for (const Publish& other : publishes_) {
    if (other.ended && other.thread >= 0 && other.position > publish.position &&
        model.knows(other.thread, other.end_mark)) {
      model.fail(kI3Back, "a reader got version {} but knew of a younger one", version);
    }
  }
  if (publish.begun && publish.thread >= 0 && publish.thread != model.thread() &&
      !model.knows(publish.thread, publish.begin_mark)) {
    model.fail(kVisibility, "a reader got version {} without what was done before it", version);
  }
}

bool SnapshotOracle::observed_is_torn() const {
  const Model& model = Model::get();
  const std::uint64_t version = model.observed_value(Field::kCommitSeq) - 100;
  return model.observed_value(Field::kSchemaEpoch) - 200 != version ||
         model.observed_value(Field::kEcsEpoch) - 300 != version;
}

unsigned SnapshotOracle::field_loaded(Field field, std::uint64_t value) {
  Model& model = Model::get();
  const std::uint64_t version = value - base_of(field);
  if (version >= kVersions) model.fail(kI2Whole, "{} is {}", field_name(field), value);
  const Publish& publish = publishes_[version];
  if (publish.begun && publish.thread >= 0 && publish.thread != model.thread() &&
      !model.knows(publish.thread, publish.begin_mark)) {
    model.fail(kVisibility, "{} {} was loaded without what was done before it was stored",
               field_name(field), value);
  }
  return static_cast<unsigned>(version);
}

// As for the writer's words: the model would not show that the older store stays.
void SnapshotOracle::unordered_store(Field field) const {
  if (!in_turn_) return;
  Model::get().fail(kI3Back, "{} is written, and nothing orders that behind the write before it",
                    field_name(field));
}

void SnapshotOracle::at_rest() const {
  Model& model = Model::get();
  const std::uint64_t seq = model.newest(Field::kSnapshotSeq);
  if (seq % 2 == 1) {
    model.fail(kI1Even, "no publisher is at work, but snapshot_seq is {}", seq);
  }
}

void IdOracle::reset() { *this = {}; }

std::uint64_t IdOracle::alloc_begins() {
  Model& model = Model::get();
  model.note("alloc");
  return model.mark();
}

void IdOracle::alloc_ends(std::uint64_t mark, std::optional<TxnId> id) {
  Model& model = Model::get();
  model.note("alloc: {}", id ? id->get() : 0);
  if (!id) {
    if (model.newest(Field::kNextTxnId) <= TxnId::kMaxRaw) {
      model.fail(kIdDomain, "no id although there are some left");
    }
    return;
  }
  for (std::size_t i = 0; i < count_; ++i) {
    const Allocation& other = allocations_[i];
    if (other.id == id->get()) model.fail(kIdUnique, "id {} was handed out twice", other.id);
    if (other.id < id->get() && other.thread != model.thread() &&
        !model.knows(other.thread, other.mark)) {
      model.fail(kIdOrder, "id {} does not see what the owner of {} did before", id->get(),
                 other.id);
    }
  }
  allocations_[count_++] = {id->get(), model.thread(), mark};
}

void IdOracle::wrote(std::uint64_t old_value, std::uint64_t new_value) {
  if (new_value != old_value + 1 || new_value > TxnId::kMaxRaw + 1) {
    Model::get().fail(kIdDomain, "next_txn_id goes from {} to {}", old_value, new_value);
  }
}

}  // namespace fsqlshm::relacy
