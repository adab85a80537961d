#include "harness/properties/writer.h"

#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/writer_words.h"
#include "harness/describe.h"
#include "harness/properties/say.h"
#include "harness/random.h"

namespace fsqlshm::harness {
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

// Whether it can be known of a process with this name that it is dead.
constexpr bool judgeable(ProcessIdentity who) { return who.pid != 0 && who.birth != 0; }

constexpr std::uint32_t bit(std::size_t tenure) { return std::uint32_t{1} << tenure; }

// Not inline: AddressSanitizer would make a frame for the text of the state at every step.
[[gnu::cold, gnu::noinline]] void violate_with_state(Execution& execution,
                                                     std::string_view property,
                                                     std::string_view rule, std::uint64_t state) {
  violate(execution, "", property, rule, "{}",
          describe(Field::kSerializedWriterTxnId, state).view());
}

}  // namespace

void WriterOracle::reset(Rules rules) {
  rules_ = rules;
  count_ = 0;  // a tenure is set as a whole when it begins
  calls_ = {};
  state_thread_ = -1;
  state_process_ = -1;
  state_judgeable_ = true;
  interrupted_ = false;
  state_changes_ = 0;
  evictions_ = 0;
  takeovers_ = 0;
}

WriterOracle::Tenure* WriterOracle::tenure(std::uint64_t id) {
  for (std::size_t i = 0; i < count_; ++i) {
    if (tenures_[i].id == id && tenures_[i].phase != Phase::kNone) return &tenures_[i];
  }
  return nullptr;
}

WriterOracle::Call WriterOracle::begin(Kind kind) const {
  return {.kind = kind,
          .first_operation = execution_.thread() < 0 ? 0 : execution_.operations(),
          .state_changes = state_changes_};
}

void WriterOracle::end_call(const Call& ended) {
  call() = {};
  const bool bounded = ended.kind == Kind::kAcquire || ended.kind == Kind::kRelease;
  if (bounded && execution_.thread() >= 0) {
    const unsigned steps = execution_.operations() - ended.first_operation;
    if (steps > kMostSteps) {
      violate(execution_, "", kP6, "an acquire or release takes too many steps", "{} steps", steps);
    }
  }
  if (rules_.strict || interrupted_) return;
  for (const Call& other : calls_) {
    if (other.kind != Kind::kNone) return;
  }
  at_rest();
}

void WriterOracle::thread_dies() {
  interrupted_ = interrupted_ || call().kind != Kind::kNone;
  call() = {};
}

// Whether a check at `now` may end this tenure.
bool WriterOracle::stale(const Tenure& tenure, std::uint64_t now) const {
  return (judgeable(tenure.who) && execution_.died(tenure.process)) ||
         (tenure.lease != 0 && now >= tenure.lease);
}

// Whether a check at `now` that begins here may still take this tenure for a live one. A claimer is
// live whatever lease it will write. The published indicator cannot tell a claimer that died (D2,
// which `repaired` finds), so there its death does not matter.
bool WriterOracle::may_be_live(const Tenure& tenure, std::uint64_t now, bool certain) const {
  const bool dead = judgeable(tenure.who) && execution_.knows_dead(tenure.process);
  if (tenure.phase == Phase::kClaiming) return !(dead && rules_.strict);
  if (tenure.phase == Phase::kEnded) {
    const bool known = tenure.ended_by == execution_.thread() || tenure.ended_by < 0 ||
                       execution_.knows(tenure.ended_by, tenure.end_mark);
    if (known) return false;
  }
  if (dead && (certain || tenure.lease == 0)) return false;
  return tenure.lease == 0 || now < tenure.lease;
}

std::uint32_t WriterOracle::known_held(bool also_stale, std::uint64_t now) const {
  std::uint32_t held = 0;
  for (std::size_t i = 0; i < count_; ++i) {
    const Tenure& other = tenures_[i];
    if (other.phase == Phase::kHeld && (also_stale || !stale(other, now)) &&
        (other.thread < 0 || execution_.knows(other.thread, other.held_mark))) {
      held |= bit(i);
    }
  }
  return held;
}

std::uint64_t WriterOracle::fingerprint() const {
  std::uint64_t all = mix(count_);
  const auto add = [&all](std::uint64_t value) { all = mix(all ^ value); };
  for (std::size_t i = 0; i < count_; ++i) {
    const Tenure& tenure = tenures_[i];
    add(tenure.id);
    add(static_cast<std::uint64_t>(tenure.phase) << 32 | static_cast<unsigned>(tenure.thread));
    add(tenure.lease ^ tenure.who.birth ^ tenure.who.pid);
    add(static_cast<std::uint64_t>(tenure.process) << 32 |
        static_cast<unsigned>(tenure.ended_by + 2) << 1U | (tenure.released ? 1U : 0U));
  }
  for (const Call& call : calls_) {
    if (call.kind == Kind::kNone) {
      add(0);
      continue;
    }
    add(mix(call.id) ^ call.now);
    add(static_cast<std::uint64_t>(call.known_held) << 32 | call.not_live);
    add(static_cast<std::uint64_t>(call.kind) << 8 |
        (call.state_changes == state_changes_ ? 8U : 0U) | (call.was_free ? 4U : 0U) |
        (call.id_was_gone ? 2U : 0U) | (call.ended_own ? 1U : 0U));
  }
  add(static_cast<std::uint64_t>(state_thread_ + 2) << 32 |
      static_cast<unsigned>(state_process_ + 2));
  add(static_cast<std::uint64_t>(evictions_) << 32 | takeovers_ << 2U |
      (state_judgeable_ ? 2U : 0U) | (interrupted_ ? 1U : 0U));
  return all;
}

// --- acquire -----------------------------------------------------------------------------------

void WriterOracle::acquire_begins(std::uint64_t id, int process, ProcessIdentity who,
                                  std::uint64_t lease) {
  remark(execution_, "acquire(id {}, lease {})", id, lease);
  Call& mine = call();
  mine = begin(Kind::kAcquire);
  mine.id = id;
  mine.was_free = execution_.newest(Field::kSerializedWriterTxnId) == 0 &&
                  execution_.must_find_newest(Field::kSerializedWriterTxnId);
  if (count_ == kTenures) {
    violate(execution_, "", "scenario", "the oracle has no room for so many acquires", "{}",
            count_);
    return;
  }
  Tenure& tenure = tenures_[count_++];
  tenure = {};
  tenure.id = id;
  tenure.phase = Phase::kClaiming;
  tenure.who = who;
  tenure.lease = lease;
  tenure.thread = execution_.thread();
  tenure.process = process;
  tenure.begin_mark = execution_.mark();
}

void WriterOracle::acquire_ends(std::uint64_t id, bool acquired) {
  remark(execution_, "acquire(id {}): {}", id, acquired);
  const Call mine = call();
  Tenure* const tenure = this->tenure(id);
  if (tenure == nullptr) return end_call(mine);
  if (!acquired) {
    tenure->phase = Phase::kNone;
    if (mine.was_free && mine.state_changes == state_changes_) {
      violate(execution_, "", kP6,
              "an acquire of an indicator that is free all the time is refused", "id {}", id);
    }
  } else if (tenure->phase != Phase::kEnded) {  // else a check has evicted it already, and may
    start_holding(*tenure);
  }
  end_call(mine);
}

void WriterOracle::start_holding(Tenure& mine) {
  const std::uint64_t state = execution_.newest(Field::kSerializedWriterTxnId);
  if (state != mine.id) {
    violate(execution_, "", kP1, "acquire returned true, but the id word is another's",
            "id {}, the word is {}", mine.id,
            describe(Field::kSerializedWriterTxnId, state).view());
    mine.phase = Phase::kNone;
    return;
  }
  const std::array<std::uint64_t, 3> own = {mine.who.pid, mine.who.birth, mine.lease};
  for (std::size_t i = 0; i < kOwnersWords.size(); ++i) {
    const std::uint64_t found = execution_.newest(kOwnersWords[i]);
    const bool equal =
        i == 0 ? pid_of(found) == own[0] && generation_of(found) != 0 : found == own[i];
    if (equal) continue;
    violate(execution_,
            rules_.strict ? ""
            : i == 0      ? "D4"
                          : "D3",
            kP2, "an owner's acquire returned true, but a word is not its own", "id {}, {} is {}",
            mine.id, field_name(kOwnersWords[i]), describe(kOwnersWords[i], found).view());
    mine.phase = Phase::kNone;
    return;
  }
  handed_over(execution_.newest_store(Field::kSerializedWriterTxnId),
              "acquire does not see what the owner before it did");
  mine.phase = Phase::kHeld;
  mine.held_mark = execution_.clock();
}

// --- release -----------------------------------------------------------------------------------

void WriterOracle::release_begins(std::uint64_t id) {
  remark(execution_, "release(id {})", id);
  Call& call = this->call();
  call = begin(Kind::kRelease);
  call.id = id;
  call.id_was_gone = execution_.newest(Field::kSerializedWriterTxnId) != id;
  Tenure* const mine = tenure(id);
  if (mine == nullptr || mine->phase == Phase::kEnded) return;
  mine->phase = Phase::kReleasing;
  mine->release_thread = execution_.thread();
  mine->release_mark = execution_.mark();
}

void WriterOracle::release_ends(std::uint64_t id, bool released) {
  remark(execution_, "release(id {}): {}", id, released);
  const Call mine = call();
  const Tenure* const tenure = this->tenure(id);
  if (released && !mine.ended_own) {
    violate(execution_, "", kP5, "release answers true although the indicator was lost", "id {}",
            id);
  }
  if (!released && tenure != nullptr && tenure->phase != Phase::kEnded) {
    violate(execution_, "", kP5, "release answers false to the owner", "id {}", id);
  }
  end_call(mine);
}

// --- checks ------------------------------------------------------------------------------------

void WriterOracle::check_begins(std::uint64_t now, bool certain) {
  remark(execution_, "check(now {})", now);
  Call& mine = call();
  mine = begin(Kind::kCheck);
  mine.now = now;
  if (execution_.thread() < 0) return;
  mine.known_held = known_held(false, now);
  for (std::size_t i = 0; i < count_; ++i) {
    // A tenure that begins later is not in the mask: it counts as live.
    if (tenures_[i].phase != Phase::kNone && !may_be_live(tenures_[i], now, certain))
      mine.not_live |= bit(i);
  }
}

void WriterOracle::check_ends(Exclusion answer) {
  remark(execution_, "check: {}", answer == Exclusion::kOk ? "ok" : "busy");
  const Call mine = call();
  if (execution_.thread() < 0) return end_call(mine);
  if (answer == Exclusion::kBusy) {
    bool live = false;
    for (std::size_t i = 0; i < count_; ++i) {
      live |= tenures_[i].phase != Phase::kNone && (mine.not_live & bit(i)) == 0;
    }
    if (!live && rules_.honest_busy) {
      violate(execution_, rules_.strict ? "" : "D6", kBusyProperty,
              "a check answers busy although no writer is live", "now {}", mine.now);
    }
    return end_call(mine);
  }
  const std::uint64_t seen = execution_.observed_value(Field::kSerializedWriterTxnId);
  if (writer_tag(seen) == WriterTag::kClaiming) {
    violate_with_state(execution_, kP1, "a check answers ok where it has seen a claim", seen);
  }
  for (std::size_t i = 0; i < count_; ++i) {
    if ((mine.known_held & bit(i)) != 0 && tenures_[i].phase == Phase::kHeld) {
      violate(execution_, "", kP1, "a check answers ok while a live owner holds the indicator",
              "id {}", tenures_[i].id);
    }
  }
  handed_over(execution_.observed(Field::kSerializedWriterTxnId),
              "a check that answers ok does not see what an owner did before it released");
  end_call(mine);
}

void WriterOracle::clear_begins(std::uint64_t state) {
  remark(execution_, "clear({})", describe(Field::kSerializedWriterTxnId, state).view());
  Call& mine = call();
  mine = begin(Kind::kClear);
  mine.id = state;
}

void WriterOracle::clear_ends(std::uint64_t state, bool cleared) {
  remark(execution_, "clear: {}", cleared);
  const Call mine = call();
  if (cleared != mine.ended_own) {
    violate_with_state(execution_, kP5,
                       "clear says that it cleared what it did not, or the other way", state);
  }
  end_call(mine);
}

void WriterOracle::look_begins() {
  Call& mine = call();
  mine = begin(Kind::kLook);
  if (execution_.thread() >= 0) mine.known_held = known_held(true, 0);
}

void WriterOracle::look_ends(std::optional<TxnId> answer) {
  remark(execution_, "check_serialized_writer: {}", answer ? answer->get() : 0);
  const Call mine = call();
  for (std::size_t i = 0; i < count_; ++i) {
    if ((mine.known_held & bit(i)) != 0 && tenures_[i].phase == Phase::kHeld &&
        (!answer || answer->get() != tenures_[i].id)) {
      violate(execution_, "", kP2, "check_serialized_writer does not see the owner", "id {}",
              tenures_[i].id);
    }
  }
  if (!answer) {
    handed_over(execution_.observed(Field::kSerializedWriterTxnId),
                "a look that finds no owner does not see what one did before it released");
    return end_call(mine);
  }
  const Tenure* const owner = tenure(answer->get());
  if (owner == nullptr) {
    violate(execution_, "", kP2, "check_serialized_writer sees an id that none acquires", "id {}",
            answer->get());
  } else if (owner->thread >= 0 && owner->thread != execution_.thread() &&
             !execution_.knows(owner->thread, owner->begin_mark)) {
    violate(execution_, "", kP2, "an owner is seen, but not what it did before its acquire",
            "id {}", answer->get());
  }
  end_call(mine);
}

// A thread that finds the indicator free after a release also finds what the owner did until then.
void WriterOracle::handed_over(std::uint32_t seen_store, std::string_view rule) {
  for (std::size_t i = 0; i < count_; ++i) {
    const Tenure& past = tenures_[i];
    if (past.phase == Phase::kEnded && past.released && past.end_store <= seen_store &&
        past.release_thread >= 0 && past.release_thread != execution_.thread() &&
        !execution_.knows(past.release_thread, past.release_mark)) {
      violate(execution_, "", kP1, rule, "id {}", past.id);
    }
  }
}

// --- every change of a word ----------------------------------------------------------------------

void WriterOracle::wrote(Field field, std::uint64_t old_value, std::uint64_t new_value) {
  if (field < Field::kSerializedWriterTxnId) return;
  const Call& mine = call();
  if (mine.kind == Kind::kRelease && mine.id_was_gone) {
    violate(execution_, "", kP5, "the release of an owner that lost the indicator writes to it",
            "id {}, {} from {} to {}", mine.id, field_name(field),
            describe(field, old_value).view(), describe(field, new_value).view());
  }
  if (field == Field::kSerializedWriterTxnId) {
    state_changed(old_value, new_value);
  } else {
    word_changed(field);
  }
}

void WriterOracle::end_tenure(Tenure& left) {
  Call& mine = call();
  if (mine.kind == Kind::kRelease && mine.id == left.id) {
    left.released = true;
    mine.ended_own = true;
  } else if (mine.kind == Kind::kCheck && stale(left, mine.now)) {
    ++evictions_;
  } else if (mine.kind == Kind::kClear && mine.id == left.id) {
    ++evictions_;
    mine.ended_own = true;
  } else {
    violate(execution_, rules_.strict || mine.kind != Kind::kCheck ? "" : "D5", kP1,
            "a live writer is evicted", "id {}, lease until {}, now {}", left.id, left.lease,
            mine.now);
  }
  left.phase = Phase::kEnded;
  left.ended_by = execution_.thread();
  left.end_mark = execution_.mark();
  left.end_store = execution_.newest_store(Field::kSerializedWriterTxnId);
}

void WriterOracle::state_changed(std::uint64_t old_value, std::uint64_t new_value) {
  ++state_changes_;
  Call& mine = call();
  if (Tenure* const left = tenure(old_value)) {
    end_tenure(*left);
  } else if (in_transition(old_value) && state_thread_ != execution_.thread()) {
    const bool told_to = mine.kind == Kind::kClear && mine.id == old_value;
    mine.ended_own = mine.ended_own || told_to;
    if (!told_to && !(state_judgeable_ && execution_.died(state_process_))) {
      violate_with_state(execution_, kP1, "a claim or cleaning of one that may live is taken over",
                         old_value);
    }
    ++takeovers_;
  }
  if (in_transition(new_value)) {
    state_thread_ = execution_.thread();
    state_process_ = execution_.process();
    const Tenure* const of = mine.kind == Kind::kClear ? nullptr : tenure(mine.id);
    state_judgeable_ = of == nullptr || judgeable(of->who);
  } else if (new_value != 0 && (mine.kind != Kind::kAcquire || mine.id != new_value)) {
    violate(execution_, "", kP1, "the id word becomes one that nothing acquires", "{:#x}",
            new_value);
  }
  if (new_value == 0 && rules_.strict) at_rest();
}

// What breaks P2 in the published protocol: the late clear of a release or an eviction hits the pid
// of a successor (D4), or its birth or lease (D3).
std::string_view WriterOracle::word_defect(Field field) {
  const Kind kind = call().kind;
  if (rules_.strict || (kind != Kind::kRelease && kind != Kind::kCheck)) return "";
  return field == Field::kSerializedWriterPidAndGen ? "D4" : "D3";
}

void WriterOracle::word_changed(Field field) {
  for (std::size_t i = 0; i < count_; ++i) {
    if (tenures_[i].phase != Phase::kHeld) continue;
    violate(execution_, word_defect(field), kP2,
            "a word of the owner changes while it holds the indicator", "{} of id {}",
            field_name(field), tenures_[i].id);
    tenures_[i].phase = Phase::kReleasing;  // said once is enough, should it be ignored
  }
  if (rules_.strict && (state_thread_ != execution_.thread() ||
                        !in_transition(execution_.newest(Field::kSerializedWriterTxnId)))) {
    violate(execution_, "", kP2, "a word is written by a thread that the state does not name", "{}",
            field_name(field));
  }
}

// A model checker that runs stores in program order never shows the older of two unordered stores
// as the one that stays (2+2W). Asking for the order itself closes that gap.
void WriterOracle::unordered_store(Field field) {
  if (!rules_.strict || field < Field::kSerializedWriterTxnId) return;
  violate(execution_, "", kP2,
          "a word is written, and nothing orders that behind the write before it", "{}",
          field_name(field));
}

// --- at rest -------------------------------------------------------------------------------------

void WriterOracle::at_rest() {
  if (execution_.newest(Field::kSerializedWriterTxnId) != 0) return;
  for (const Field field : kOwnersWords) {
    const std::uint64_t value = execution_.newest(field);
    if (value == 0) continue;
    violate(execution_, "", kP3, "a free indicator has leftovers", "{} is {}", field_name(field),
            describe(field, value).view());
    return;
  }
}

bool WriterOracle::left_by_the_unknown() {
  const std::uint64_t state = execution_.newest(Field::kSerializedWriterTxnId);
  if (in_transition(state)) return !state_judgeable_;
  const Tenure* const owner = tenure(state);
  return owner != nullptr && !judgeable(owner->who) && owner->lease == 0;
}

bool WriterOracle::left_by_the_dead() {
  const std::uint64_t state = execution_.newest(Field::kSerializedWriterTxnId);
  if (in_transition(state)) return execution_.died(state_process_);
  const Tenure* const owner = tenure(state);
  return owner != nullptr && execution_.died(owner->process);
}

void WriterOracle::repaired(Exclusion answer) {
  const std::uint64_t state = execution_.newest(Field::kSerializedWriterTxnId);
  const std::uint64_t lease = execution_.newest(Field::kSerializedWriterLeaseExpiry);
  const std::uint64_t pid_and_gen = execution_.newest(Field::kSerializedWriterPidAndGen);
  const std::uint64_t birth = execution_.newest(Field::kSerializedWriterPidBirth);
  const bool busy = answer != Exclusion::kOk;
  if (!busy && state == 0 && pid_and_gen == 0 && birth == 0 && lease == 0) return;
  const bool unjudgeable = lease == 0 && (pid_of(pid_and_gen) == 0 || birth == 0);
  violate(execution_, busy && !rules_.strict && !in_transition(state) && unjudgeable ? "D2" : "",
          kP4,
          busy ? "the last check answers busy: a writer that died locks all others out"
               : "the last check leaves the indicator dirty",
          "txn_id {}, pid_and_gen {}, pid_birth {}, lease_expiry {}",
          describe(Field::kSerializedWriterTxnId, state).view(),
          describe(Field::kSerializedWriterPidAndGen, pid_and_gen).view(),
          describe(Field::kSerializedWriterPidBirth, birth).view(), lease);
}

}  // namespace fsqlshm::harness
