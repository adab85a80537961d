#include "fuzz/subject_under_test.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "fuzz/calls.h"
#include "fuzz/check_open.h"
#include "fuzz/model.h"
#include "fuzz/run_calls.h"
#include "fuzz/stats.h"
#include "harness/subject.h"

namespace fsqlshm::fuzz {
namespace {

using harness::Subject;
using harness::SubjectMemory;

Answer value_or_none(std::uint64_t value) {
  if (value == 0) return {.kind = Answer::kNone};
  return {.kind = Answer::kValue, .values = {value}};
}

Answer triple(const fsqlshm_snapshot& snapshot) {
  return {.kind = Answer::kTriple,
          .values = {snapshot.commit_seq, snapshot.schema_epoch, snapshot.ecs_epoch}};
}

// With the loads that the subject has: one that is bounded is optional.
Answer try_load(const Subject& subject, const SubjectMemory& memory, std::uint64_t attempts) {
  const bool odd = memory.load(subject, Field::kSnapshotSeq) % 2 == 1;
  if (subject->try_load_consistent_snapshot != nullptr) {
    fsqlshm_snapshot found{};
    if (!subject->try_load_consistent_snapshot(memory.header(), attempts, &found)) {
      return {.kind = Answer::kNone};
    }
    return triple(found);
  }
  if (odd) return {.kind = Answer::kNone};
  return triple(subject->load_consistent_snapshot(memory.header()));
}

Answer check_exclusion(const Subject& subject, const SubjectMemory& memory, const Step& step,
                       const fsqlshm_process& self) {
  const fsqlshm_liveness liveness = {
      .alive = [](void* context, std::uint32_t pid, std::uint64_t) -> bool {
        return static_cast<const Step*>(context)->alive(pid);
      },
      .context = const_cast<Step*>(&step),
      .certain = false};
  const auto answer =
      subject->check_serialized_writer_exclusion(memory.header(), step.a, self, &liveness);
  return {.kind = answer == FSQLSHM_NO_WRITER ? Answer::kOk : Answer::kBusy};
}

// As run_calls.h has it for layouts.
Answer perform(const Subject& subject, const SubjectMemory& memory, const Step& step,
               const fsqlshm_process& self) {
  fsqlshm_header* const header = memory.header();
  const fsqlshm_snapshot next = {.commit_seq = step.a, .schema_epoch = step.b, .ecs_epoch = step.c};
  switch (step.call) {
    case Call::kAlloc:
      return value_or_none(subject->alloc_txn_id(header));
    case Call::kPublish:
      subject->publish_snapshot(header, next);
      return {};
    case Call::kReconcile:
      subject->reconcile(header, next);
      return {};
    case Call::kBegin:
      subject->begin_snapshot_publish(header);
      return {};
    case Call::kEnd:
      subject->end_snapshot_publish(header);
      return {};
    case Call::kLoad:
      if (memory.load(subject, Field::kSnapshotSeq) % 2 == 0) {
        return triple(subject->load_consistent_snapshot(header));
      }
      [[fallthrough]];
    case Call::kTryLoad:
      return try_load(subject, memory, attempts_of(step));
    case Call::kAcquire: {
      const fsqlshm_process who = {.birth = step.b, .pid = step.pid, .reserved = 0};
      return answer_of(subject->acquire_serialized_writer(header, step.a, who, step.c));
    }
    case Call::kRelease:
      return answer_of(subject->release_serialized_writer(header, step.a));
    case Call::kCheck:
      return value_or_none(subject->check_serialized_writer(header));
    case Call::kCheckExclusion:
      return check_exclusion(subject, memory, step, self);
    case Call::kStoreGcHorizon:
      subject->store_gc_horizon(header, step.a);
      return {};
    case Call::kLoadCounters:
      return {.kind = Answer::kValue,
              .values = {subject->load_commit_seq(header), subject->load_schema_epoch(header),
                         subject->load_ecs_epoch(header), subject->load_gc_horizon(header)}};
  }
  return {};
}

State words_of(const Subject& subject, const SubjectMemory& memory) {
  State state{};
  for (const Field field : kAtomicFields) {
    state[atomic_index(field)] = memory.load(subject, field);
  }
  return state;
}

HeaderBytes to_bytes(const Subject& subject, const SubjectMemory& memory) {
  HeaderBytes bytes{};
  subject->to_bytes(memory.header(), reinterpret_cast<std::uint8_t*>(bytes.data()));
  return bytes;
}

Accessed access(const Subject& subject, const SubjectMemory& memory) {
  fsqlshm_header* const header = memory.header();
  fsqlshm_geometry geometry{};
  subject->geometry(header, &geometry);
  return {.bytes = to_bytes(subject, memory),
          .values = {geometry.page_size, geometry.max_txn_slots, subject->load_commit_seq(header),
                     subject->load_schema_epoch(header), subject->load_ecs_epoch(header),
                     subject->load_gc_horizon(header), geometry.lock_table_offset,
                     geometry.witness_offset, geometry.txn_slot_offset,
                     geometry.committed_readers_offset, geometry.committed_readers_bytes,
                     geometry.layout_checksum}};
}

// A subject, and memory for one header of it.
struct UnderTest {
  explicit UnderTest(const Subject& loaded) : subject(loaded), memory(loaded) {}
  Subject subject;
  SubjectMemory memory;
};
const UnderTest* g_under_test = nullptr;

constexpr std::array kWriterWords = {kWriter, kPidGen, kBirth, kLease};

// Makes what is the implementation's own equal.
void leave_out_the_writer(const Step& step, Answer& expected, const Answer& found, State& wanted,
                          const State& words) {
  switch (step.call) {
    case Call::kAcquire:
    case Call::kRelease:
    case Call::kCheck:
    case Call::kCheckExclusion:
      expected = found;
      break;
    default:
      break;
  }
  for (const Word word : kWriterWords) wanted[word] = words[word];
}

std::optional<Failure> check_memory(const SubjectMemory& memory) {
  const auto outside = memory.written_outside();
  if (!outside) return std::nullopt;
  return Failure{.property = "a subject stays inside of its header", .detail = *outside};
}

}  // namespace

std::optional<Failure> open_on_subject(Bytes input, Judgement judgement) {
  const auto& [subject, memory] = *g_under_test;
  fsqlshm_error error{};
  const int code = subject->open(memory.header(), input.data(), input.size(), &error);
  if (auto failure = check_memory(memory)) return failure;
  if (code < FSQLSHM_OK || code > FSQLSHM_CHECKSUM_MISMATCH) {
    return Failure{.property = "open: a code that it cannot answer",
                   .detail = std::to_string(code)};
  }
  if (code != FSQLSHM_OK) {
    const ShmError refusal(static_cast<ShmErrorCode>(code - FSQLSHM_TOO_SMALL), error.found,
                           error.expected);
    return check_answer({.way = "open", .error = &refusal}, expect(judgement), input);
  }
  const Accessed accessed = access(subject, memory);
  return check_answer({.way = "open", .accessed = &accessed}, expect(judgement), input);
}

std::optional<Failure> run_calls_on_subject(Bytes input) {
  const auto& [subject, memory] = *g_under_test;
  const StartState head = decode_head(input);
  State start{};
  start[kNextId] = 1;
  if (head.from_words) start = head.words;
  Model model(Dialect::kReference, start);
  static Counter foreign("foreign_writer_words");
  const bool in_domain = model.in_domain();
  foreign.add(in_domain ? 0 : 1);
  const std::string name = subject.name();
  const auto header = wire::fresh_header(head.page_size, head.slots == 0 ? 128 : head.slots);
  if (subject->create(memory.header(), head.page_size, head.slots, nullptr) != FSQLSHM_OK) {
    return Failure{.property = "creation: refused a good page size"};
  }
  if (auto failure = compare_bytes("creation", header, to_bytes(subject, memory))) return failure;
  const auto bytes = header_with(header, start);
  if (subject->open(memory.header(), bytes.data(), bytes.size(), nullptr) != FSQLSHM_OK) {
    return Failure{.property = "open: refused a fresh header"};
  }
  const fsqlshm_process self = {.birth = kKnownBirth | 1, .pid = head.self_pid, .reserved = 0};
  for (std::size_t i = 0; i < step_count(input); ++i) {
    const Step step = decode_step(input, i, model.state());
    const bool takes_id = step.call == Call::kAcquire || step.call == Call::kRelease;
    if (takes_id && !TxnId::in_domain(step.a)) continue;
    const Answer found = perform(subject, memory, step, self);
    Answer expected = model.perform(step);
    count_step(step, expected);
    // Whom it asks about is its own affair, and how often.
    expected.asked = false;
    expected.asked_pid = 0;
    expected.asked_birth = 0;
    State wanted = model.state();
    const State words = words_of(subject, memory);
    if (!in_domain) leave_out_the_writer(step, expected, found, wanted, words);
    if (auto failure = compare_step(name, step, i, expected, found, wanted, words)) return failure;
  }
  if (auto failure = check_memory(memory)) return failure;
  State wanted = model.state();
  if (!in_domain) {
    const State words = words_of(subject, memory);
    for (const Word word : kWriterWords) wanted[word] = words[word];
  }
  return compare_bytes(name, header_with(header, wanted), to_bytes(subject, memory));
}

bool subject_option(std::string_view argument) {
  constexpr std::string_view kName = "--subject=";
  if (!argument.starts_with(kName)) return false;
  const auto loaded = Subject::load(std::string(argument.substr(kName.size())));
  if (!loaded) {
    std::fprintf(stderr, "%s\n", loaded.error().c_str());
    std::exit(2);  // NOLINT(concurrency-mt-unsafe): there is one thread yet
  }
  static const UnderTest kUnderTest(*loaded);
  g_under_test = &kUnderTest;
  g_subject_given = true;
  return true;
}

}  // namespace fsqlshm::fuzz
