#include "writer_oracle.h"

#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/writer_words.h"

namespace fsqlshm::relacy {
namespace {

using hardened::writer_tag;
using hardened::WriterTag;

constexpr std::array<Field, 3> kOwnersWords = {Field::kSerializedWriterPidAndGen,
                                               Field::kSerializedWriterPidBirth,
                                               Field::kSerializedWriterLeaseExpiry};

bool in_transition(std::uint64_t state) {
  const WriterTag tag = writer_tag(state);
  return tag == WriterTag::kClaiming || tag == WriterTag::kCleaning;
}

}  // namespace

void WriterOracle::reset(bool strict) {
  *this = {};
  strict_ = strict;
  honest_busy_ = strict;
}

WriterOracle::ThreadCall& WriterOracle::call() {
  const int thread = Model::get().thread();
  return calls_[static_cast<std::size_t>(thread < 0 ? kMaxThreads : thread)];
}

// Whether a check at `now` wrongs nobody when it ends this tenure.
bool WriterOracle::stale(const Tenure& tenure, std::uint64_t now) const {
  return Model::get().died(tenure.process) || (tenure.lease != 0 && now >= tenure.lease);
}

// Whether a check at `now` that begins here may still take this tenure for a live one. One that
// dies meanwhile may be: its death need not be known yet. A claimer always is, whatever lease it
// will write.
bool WriterOracle::may_be_live(const Tenure& tenure, std::uint64_t now) const {
  const Model& model = Model::get();
  if (tenure.phase == Phase::kNone || (buried_ >> tenure.process & 1U) != 0) return false;
  if (tenure.phase == Phase::kClaiming) return true;
  const bool known_ended =
      tenure.phase == Phase::kEnded && (tenure.ended_by == model.thread() || tenure.ended_by < 0 ||
                                        model.knows(tenure.ended_by, tenure.end_mark));
  return !known_ended && (tenure.lease == 0 || now < tenure.lease);
}

void WriterOracle::acquire_begins(std::uint64_t id, int process, ProcessIdentity who,
                                  std::uint64_t lease) {
  Model& model = Model::get();
  model.note("acquire(id {}, lease {})", id, lease);
  call() = {.call = Call::kAcquire, .id = id};
  tenures_[id] = {};
  tenures_[id].phase = Phase::kClaiming;
  tenures_[id].who = who;
  tenures_[id].lease = lease;
  tenures_[id].thread = model.thread();
  tenures_[id].process = process;
  tenures_[id].begin_mark = model.mark();
}

void WriterOracle::acquire_ends(std::uint64_t id, bool acquired) {
  Model& model = Model::get();
  model.note("acquire(id {}): {}", id, acquired);
  call() = {};
  Tenure& mine = tenures_[id];
  if (!acquired) {
    mine = {};
    return;
  }
  if (mine.phase == Phase::kEnded) return;  // evicted already, and rightly so
  const std::uint64_t state = model.newest(Field::kSerializedWriterTxnId);
  if (state != id) {
    model.fail(kP1, "acquire(id {}) returned true, but the id word is {:#x}", id, state);
  }
  mine.pid_and_gen = model.newest(Field::kSerializedWriterPidAndGen);
  const std::uint64_t birth = model.newest(Field::kSerializedWriterPidBirth);
  const std::uint64_t lease = model.newest(Field::kSerializedWriterLeaseExpiry);
  if (pid_of(mine.pid_and_gen) != mine.who.pid || generation_of(mine.pid_and_gen) == 0 ||
      birth != mine.who.birth || lease != mine.lease) {
    model.fail(kP2, "id {} holds it, but pid, birth and lease are not its own: {}, {:#x}, {}", id,
               pid_of(mine.pid_and_gen), birth, lease);
  }
  handed_over(model.newest_store(Field::kSerializedWriterTxnId), "acquire");
  mine.phase = Phase::kHeld;
  mine.held_mark = model.clock();
}

void WriterOracle::release_begins(std::uint64_t id) {
  Model& model = Model::get();
  model.note("release(id {})", id);
  call() = {.call = Call::kRelease, .id = id};
  Tenure* const mine = tenure(id);
  if (mine == nullptr) return;
  if (mine->phase == Phase::kHeld) mine->phase = Phase::kReleasing;
  mine->release_thread = model.thread();
  mine->release_mark = model.mark();
}

void WriterOracle::release_ends(std::uint64_t id, bool released) {
  Model& model = Model::get();
  model.note("release(id {}): {}", id, released);
  call() = {};
  const Tenure* const mine = tenure(id);
  const bool ours = mine != nullptr && mine->phase == Phase::kEnded && mine->let_go &&
                    mine->ended_by == model.thread();
  if (released && !ours) {
    model.fail(kP5, "release(id {}) returned true to an owner that had lost the indicator", id);
  }
  if (!released && mine != nullptr && mine->phase != Phase::kEnded) {
    model.fail(kP5, "release(id {}) returned false to the owner", id);
  }
}

void WriterOracle::check_begins(std::uint64_t now) {
  Model& model = Model::get();
  model.note("check(now {})", now);
  ThreadCall& mine = call();
  mine = {.call = Call::kCheck, .now = now};
  if (model.thread() < 0) return;
  for (std::size_t id = 1; id < kTenures; ++id) {
    const Tenure& other = tenures_[id];
    // A tenure that begins later is not in the mask: it counts as live.
    if (other.phase != Phase::kNone && !may_be_live(other, now)) mine.not_live |= 1U << id;
    if (other.phase == Phase::kHeld && !stale(other, now) &&
        (other.thread < 0 || model.knows(other.thread, other.held_mark))) {
      mine.known_held |= 1U << id;
    }
  }
}

void WriterOracle::check_ends(Exclusion answer) {
  Model& model = Model::get();
  model.note("check: {}", answer == Exclusion::kOk ? "ok" : "busy");
  const ThreadCall mine = call();
  call() = {};
  if (model.thread() < 0) return;
  if (answer == Exclusion::kBusy) {
    bool honest = !honest_busy_;
    for (std::size_t id = 1; id < kTenures; ++id) {
      honest |= tenures_[id].phase != Phase::kNone && (mine.not_live >> id & 1U) == 0;
    }
    if (!honest) model.fail(kBusyProperty, "a check answered busy, but for whom? Nobody was live");
    return;
  }
  for (std::size_t id = 1; id < kTenures; ++id) {
    if ((mine.known_held >> id & 1U) != 0 && tenures_[id].phase == Phase::kHeld) {
      model.fail(kP1, "check answered ok while id {} was known to hold the indicator", id);
    }
  }
  handed_over(model.observed(Field::kSerializedWriterTxnId), "a check that answered ok");
}

void WriterOracle::looked(std::optional<TxnId> answer) {
  Model& model = Model::get();
  model.note("check_serialized_writer: {}", answer ? answer->get() : 0);
  if (!answer) {
    handed_over(model.observed(Field::kSerializedWriterTxnId), "a look that found nobody");
    return;
  }
  const Tenure* const owner = tenure(answer->get());
  if (owner != nullptr && owner->thread >= 0 && owner->thread != model.thread() &&
      !model.knows(owner->thread, owner->begin_mark)) {
    model.fail(kP2, "id {} was seen, but not what its owner did before", answer->get());
  }
}

// Whoever finds the indicator free after a release also finds what the owner did until then.
void WriterOracle::handed_over(std::uint32_t seen_store, std::string_view what) const {
  const Model& model = Model::get();
  for (std::size_t id = 1; id < kTenures; ++id) {
    const Tenure& past = tenures_[id];
    if (past.phase == Phase::kEnded && past.let_go && past.end_store <= seen_store &&
        past.release_thread >= 0 && past.release_thread != model.thread() &&
        !model.knows(past.release_thread, past.release_mark)) {
      Model::get().fail(kP1, "{} does not see what id {} did before it let go", what, id);
    }
  }
}

void WriterOracle::wrote(Field field, std::uint64_t old_value, std::uint64_t new_value) {
  if (field == Field::kSerializedWriterTxnId) {
    state_changed(old_value, new_value);
  } else if (field == kOwnersWords[0] || field == kOwnersWords[1] || field == kOwnersWords[2]) {
    word_changed(field);
  }
}

void WriterOracle::state_changed(std::uint64_t old_value, std::uint64_t new_value) {
  Model& model = Model::get();
  const ThreadCall& mine = call();
  if (Tenure* const left = tenure(old_value)) {
    if (mine.call == Call::kRelease && mine.id == old_value) {
      left->let_go = true;
    } else if (mine.call != Call::kCheck || !stale(*left, mine.now)) {
      model.fail(kP1, "a live writer is evicted: id {}, lease until {}, now {}", old_value,
                 left->lease, mine.now);
    } else {
      ++evictions_;
    }
    left->phase = Phase::kEnded;
    left->ended_by = model.thread();
    left->end_mark = model.mark();
    left->end_store = model.newest_store(Field::kSerializedWriterTxnId);
  } else if (in_transition(old_value) && state_thread_ != model.thread()) {
    if (!model.died(state_process_)) {
      model.fail(kP1, "the {} of a live process is taken over",
                 writer_tag(old_value) == WriterTag::kClaiming ? "claim" : "cleaning");
    }
    ++takeovers_;
  }
  if (in_transition(new_value)) {
    state_thread_ = model.thread();
    state_process_ = model.process();
  } else if (new_value != 0 && (mine.call != Call::kAcquire || mine.id != new_value)) {
    model.fail(kP1, "the id word becomes {:#x}, which nobody acquires", new_value);
  }
  if (new_value != 0 || !strict_) return;
  for (const Field field : kOwnersWords) {
    if (model.newest(field) != 0) {
      model.fail(kP3, "free, but {} is {:#x}", field_name(field), model.newest(field));
    }
  }
}

void WriterOracle::word_changed(Field field) {
  Model& model = Model::get();
  for (std::size_t id = 1; id < kTenures; ++id) {
    if (tenures_[id].phase == Phase::kHeld) {
      model.fail(kP2, "{} changes while id {} holds the indicator", field_name(field), id);
    }
  }
  if (strict_ && (state_thread_ != model.thread() ||
                  !in_transition(model.newest(Field::kSerializedWriterTxnId)))) {
    model.fail(kP2, "{} is written by a thread that the state does not name", field_name(field));
  }
}

// Relacy runs stores in program order, so it never shows the older of two unordered stores as the
// one that stays (2+2W). Asking for the order itself closes that gap.
void WriterOracle::unordered_store(Field field) const {
  if (!strict_) return;
  Model::get().fail(kP2, "{} is written, and nothing orders that behind the write before it",
                    field_name(field));
}

void WriterOracle::at_rest() const {
  Model& model = Model::get();
  if (model.newest(Field::kSerializedWriterTxnId) != 0) return;
  for (const Field field : kOwnersWords) {
    if (model.newest(field) != 0) {
      model.fail(kP3, "free and nobody at work, but {} is {:#x}", field_name(field),
                 model.newest(field));
    }
  }
}

void WriterOracle::repaired(Exclusion answer) const {
  Model& model = Model::get();
  if (answer != Exclusion::kOk) {
    model.fail(kP4, "a check at the end of time answers busy: the dead lock everybody out");
  }
  const std::uint64_t state = model.newest(Field::kSerializedWriterTxnId);
  if (state != 0) model.fail(kP4, "after the last check the id word is {:#x}", state);
  for (const Field field : kOwnersWords) {
    if (model.newest(field) != 0) {
      model.fail(kP4, "after the last check {} is {:#x}", field_name(field), model.newest(field));
    }
  }
}

}  // namespace fsqlshm::relacy
