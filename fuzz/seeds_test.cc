// The tracked seeds, from which every fuzzing run begins: what is in them, and that corpus/ holds
// exactly that.
// With FSQLSHM_WRITE_SEEDS=1 in the environment the test writes them.

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fsqlshm/process.h"
#include "fuzz/calls.h"
#include "fuzz/check_open.h"
#include "fuzz/file_input.h"
#include "fuzz/schedule.h"
#include "fuzz/testing/encode_schedule.h"
#include "fuzz/testing/golden.h"

namespace fsqlshm::fuzz {
namespace {

namespace fs = std::filesystem;
using Seeds = std::map<std::string, std::vector<std::uint8_t>>;

// --- headers -------------------------------------------------------------------------------------

using Header = std::array<std::uint8_t, wire::kSize>;
struct Change {
  const char* name;
  std::size_t offset;
  std::uint64_t word;
};

// The first header with this change whose checksum chooses it for the checks that are made rarely,
// and for the text of the first of its complaints.
Header looked_at_closely(const Change& change, int complaints = 1) {
  for (std::uint32_t slots = 1;; ++slots) {
    Header header = wire::fresh_header(4096, slots);
    wire::put64(header, change.offset, change.word);
    wire::seal(header);
    if (read_texts(header) && header[wire::kChecksum + 1] % complaints == 0) return header;
  }
}

// One thing that `validate` complains about each.
constexpr Change kComplaints[] = {
    {"lock_table_offset", 104, 217},
    {"witness_offset", 112, 217},
    {"txn_slot_offset", 120, 217},
    {"committed_readers_offset", 128, 217},
    {"committed_readers_bytes", 136, std::uint64_t{1} << 40},
    {"align0", 16, std::uint64_t{1} << 32 | 128},
    {"padding", 208, 1},
    {"next_txn_id", 24, 0},
    {"snapshot_seq", 32, 1},
    {"gc_horizon", 64, 1},
    {"writer_domain", 72, std::uint64_t{3} << 62},
    {"writer_unjudgeable", 72, 1},
    {"writer_leftovers", 88, 1},
    {"writer_claiming", 72, std::uint64_t{1} << 62},
};
constexpr Change kNoChange = {"", 24, 1};  // a fresh header has this word
// Refusals: a byte that is flipped.
constexpr Change kRefusals[] = {
    {"bad_magic", 0, 1}, {"version", 9, 1}, {"page_size", 12, 1}, {"checksum", 146, 1}};

// Three golden inputs of every outcome, the headers of three geometries, and headers that are
// looked at closely: one for each refusal and for each complaint of `validate`.
Seeds header_seeds() {
  Seeds seeds;
  std::map<std::string, int> taken;
  for (const auto& entry : golden("open.jsonl")) {
    const std::string result = entry["result"];
    if (++taken[result] > 3) continue;
    seeds.insert({result + "-" + std::to_string(taken[result]), unhex(entry["bytes"])});
  }
  const auto headers = golden("headers.jsonl");
  for (std::size_t i = 0; i < headers.size(); i += 60) {
    seeds.insert(
        {"header-" + headers[i]["page_size"].dump() + "-" + headers[i]["max_txn_slots"].dump(),
         unhex(headers[i]["bytes"])});
  }
  const auto add = [&](const char* name, const Header& header) -> std::vector<std::uint8_t>& {
    return seeds[std::string("closely-") + name] = {header.begin(), header.end()};
  };
  for (const Change& change : kComplaints) add(change.name, looked_at_closely(change));
  // No slots, and four fields that are not as derived from 128.
  add("max_txn_slots", looked_at_closely({"", 16, 0}, 5));
  const Header plain = looked_at_closely(kNoChange);
  for (const Change& flip : kRefusals) add(flip.name, plain)[flip.offset] ^= 1;
  add("too_small", plain).resize(64);
  add("misaligned", plain).push_back(1);
  return seeds;
}

// --- calls ---------------------------------------------------------------------------------------

std::vector<std::uint8_t> encode_calls(const StartState& head, std::vector<Step> steps) {
  steps.resize(std::min(steps.size(), kCallsShape.max_records));
  std::vector<std::uint8_t> input(kCallsShape.head_size + steps.size() * kCallsShape.record_size);
  input[0] = static_cast<std::uint8_t>((head.in_place ? 2 * 0x51 : 0) + head.from_words);
  input[1] = static_cast<std::uint8_t>(std::countr_zero(head.page_size / 512));
  input[2] = static_cast<std::uint8_t>(head.slots);
  wire::put32(input, 4, head.self_pid);
  for (std::size_t i = 0; i < head.words.size(); ++i) wire::put64(input, 8 + 8 * i, head.words[i]);
  std::size_t offset = kCallsShape.head_size;
  for (const Step& step : steps) {
    const MutableBytes record(input.data() + offset, kCallsShape.record_size);
    record[0] = static_cast<std::uint8_t>(step.call);
    record[3] = static_cast<std::uint8_t>(static_cast<unsigned>(step.dead) << 6);
    wire::put32(record, 4, step.pid);
    wire::put64(record, 8, step.a);
    wire::put64(record, 16, step.b);
    wire::put64(record, 24, step.c);
    offset += record.size();
  }
  return input;
}

// Every fifth golden trace, what the golden traces cannot know, and calls on the real atomics.
Seeds call_seeds() {
  Seeds seeds;
  const auto traces = golden("traces.jsonl");
  for (std::size_t i = 0; i < traces.size(); i += 5) {
    const std::vector<std::uint8_t> header = unhex(traces[i]["initial"]);
    StartState head = {.from_words = true,
                       .page_size = wire::get32(header, wire::kPageSize),
                       .slots = std::min(wire::get32(header, wire::kSlots), 255U),
                       .self_pid = 42};
    for (std::size_t word = 0; word < head.words.size(); ++word) {
      head.words[word] = wire::get64(header, wire::kFirstAtomic + 8 * word);
    }
    std::vector<Step> steps;
    for (const auto& op : traces[i]["ops"]) steps.push_back(golden_step(op));
    seeds.insert({"trace-" + traces[i]["id"].dump(), encode_calls(head, steps)});
  }

  // Words that only the hardened protocol writes.
  const Step check = {.call = Call::kCheckExclusion, .a = 10};
  const Step check_of_the_dead = {.call = Call::kCheckExclusion, .dead = Dead::kAll, .a = 10};
  constexpr std::uint64_t kTicks = 5;
  std::uint64_t tag = 0;
  for (const char* const name : {"claiming", "cleaning", "unused"}) {
    const std::uint64_t writer = ++tag << 62 | std::uint64_t{77} << 40 | kTicks;
    const StartState head = {
        .from_words = true,
        .page_size = 4096,
        .self_pid = 42,
        .words = {7, 0, 3, 2, 1, 0, writer, std::uint64_t{1} << 32 | 77, kKnownBirth | kTicks, 0}};
    seeds.insert(
        {name, encode_calls(head, {{.call = Call::kCheck},
                                   {.call = Call::kAcquire, .pid = 1, .a = 9, .b = 2, .c = 3},
                                   check,
                                   check_of_the_dead})});
  }

  seeds.insert({"no-ids", encode_calls({.page_size = 4096, .self_pid = 42},
                                       {{.call = Call::kAcquire, .pid = 1, .b = 2, .c = 3},
                                        {.call = Call::kRelease, .a = std::uint64_t{1} << 62}})});
  seeds.insert({"in-place",
                encode_calls({.in_place = true, .page_size = 4096, .self_pid = 42},
                             {{.call = Call::kAcquire, .pid = 1, .a = 9, .b = kKnownBirth, .c = 3},
                              check,
                              {.call = Call::kPublish, .a = 1, .b = 2, .c = 3},
                              {.call = Call::kLoad},
                              {.call = Call::kAlloc},
                              {.call = Call::kLoadCounters},
                              {.call = Call::kBegin},
                              {.call = Call::kTryLoad, .a = 5}})});
  return seeds;
}

// --- schedules -----------------------------------------------------------------------------------

std::vector<std::uint8_t> encode_schedule(std::uint8_t processes,
                                          const std::vector<std::vector<Op>>& threads,
                                          const std::vector<std::uint8_t>& decisions,
                                          std::uint8_t names = 0) {
  std::vector<std::uint8_t> bytes(kScheduleShape.head_size);
  bytes[0] = static_cast<std::uint8_t>((threads.size() + 1) % 3);  // 2 + byte % 3 threads
  bytes[1] = processes;
  bytes[2] = names;
  for (std::size_t t = 0; t < threads.size(); ++t) {
    std::ranges::transform(
        threads[t], bytes.begin() + static_cast<std::ptrdiff_t>(8 + t * kOpsPerThread), encode_op);
  }
  bytes.insert(bytes.end(), decisions.begin(), decisions.end());
  return bytes;
}

// Two writers, a dead claimer, an eviction, publishers and readers, allocations.
Seeds schedule_seeds() {
  constexpr Op kAcquire = Op::kAcquire, kLeased = Op::kAcquireLeased, kRelease = Op::kRelease,
               kExclusion = Op::kCheckExclusion, kCheck = Op::kCheck, kPublish = Op::kPublish,
               kRead = Op::kReadSnapshot, kAlloc = Op::kAlloc, kClear = Op::kClear,
               kCertain = Op::kCheckCertainly, kReconcile = Op::kReconcile;
  constexpr auto run = encode_run;
  constexpr int kToTheEnd = 1000;
  constexpr std::uint8_t kOwn = 0b11100100;  // a process for each thread
  constexpr std::uint8_t kShared = 0;
  constexpr std::uint8_t kNoBirthNoPid = 0b1001;  // of the first thread, of the second
  const std::uint8_t kill_0 = encode_kill(0);
  const std::uint8_t later = kTimePassesByte;
  return {
      {"two-writers", encode_schedule(kShared, {{kLeased, kRelease}, {kLeased, kRelease, kAcquire}},
                                      {run(0, 11), run(1, 6), run(0, 3), run(1, 24)})},
      {"dead-claimer", encode_schedule(kOwn, {{kAcquire}, {kExclusion, kAcquire, kRelease}},
                                       {run(0, 3), kill_0, run(1, 24)})},
      {"eviction",
       encode_schedule(kOwn, {{kLeased, kRelease}, {kExclusion, kLeased, kCheck, kRelease}},
                       {run(0, 7), later, run(1, 20), run(0, 24)})},
      // A check that meets the zeroes of a release, and one that judged an owner who then left.
      {"zeroes", encode_schedule(kOwn, {{kLeased, kRelease}, {kExclusion}},
                                 {run(0, 7), run(1, 2), run(0, 24), run(1, 24)})},
      {"left-meanwhile", encode_schedule(kOwn, {{kLeased, kRelease}, {kExclusion}},
                                         {run(0, 7), later, run(1, 5), run(0, 24), run(1, 24)})},
      // One release takes as long as another thread of the process needs for two owners.
      {"many-owners",
       encode_schedule(kShared, {{kAcquire, kRelease}, {kAcquire, kRelease, kAcquire}},
                       {run(0, 11), run(1, 24), run(1, 24), run(0, 24)})},
      // A writer takes over from one whose lease is out, and another thread judges.
      {"handover",
       encode_schedule(
           kOwn, {{kLeased, kRelease}, {kLeased, kRelease}, {kExclusion, kExclusion}},
           {run(0, 7), later, run(0, 6), run(1, 5), run(2, kToTheEnd), run(0, 24), run(1, 24)})},
      {"snapshots",
       encode_schedule(kOwn, {{kPublish, kPublish}, {kPublish}, {kRead, kRead}},
                       {run(0, 3), run(2, 3), run(1, 4), run(0, 5), run(2, 2), kill_0})},
      {"torn", encode_schedule(kOwn, {{kPublish}, {kRead}}, {run(1, 3), run(0, 24), run(1, 24)})},
      {"busy", encode_schedule(kOwn, {{kAcquire, kRelease}, {kExclusion}},
                               {run(0, 7), run(1, 24), run(0, 24)})},
      {"ids", encode_schedule(kOwn, {{kAlloc, kAlloc}, {kAlloc}, {kAlloc}, {kAlloc}},
                              {run(0, 2), run(1, 2), run(2, 2), run(3, 24)})},
      // Owners that nothing can judge: one that dies, one whose lease ends.
      {"unknown",
       encode_schedule(kOwn, {{kLeased}, {kAcquire, kLeased}, {kExclusion, kClear, kExclusion}},
                       {run(0, 4), kill_0, run(2, 24), run(1, 24), later, run(2, kToTheEnd)},
                       kNoBirthNoPid)},
      {"certain-death",
       encode_schedule(kOwn, {{kLeased}, {kCertain, kLeased, kRelease}, {kExclusion}},
                       {run(0, 7), kill_0, run(2, 24), run(1, kToTheEnd)})},
      {"cleared-by-name", encode_schedule(kOwn, {{kLeased}, {kClear, kAcquire}, {kExclusion}},
                                          {run(0, 7), kill_0, run(2, 24), run(1, kToTheEnd)})},
      {"reconciled", encode_schedule(kOwn, {{kPublish, kReconcile}, {kRead, kRead, kRead}},
                                     {run(0, 7), run(1, 4), run(0, 4), run(1, 24), run(0, 24)})},
  };
}

// --- files ---------------------------------------------------------------------------------------

constexpr std::size_t kHead = 16;
constexpr std::size_t kPlanOffset = 8;

struct At {
  std::uint8_t call;
  int error;
};

// A head, and a header after it, if there is one.
std::vector<std::uint8_t> make_file(std::int64_t longer, Bytes header, std::uint8_t steps = 0,
                                    std::uint8_t slots = 0, std::uint8_t room = 0,
                                    std::initializer_list<At> opening = {},
                                    std::initializer_list<At> creating = {}) {
  std::vector<std::uint8_t> input(kHead);
  wire::put32(input, 0, static_cast<std::uint32_t>(longer));
  input[4] = steps;
  input[5] = slots;
  input[6] = 3;  // 4096
  input[7] = room;
  std::size_t offset = kPlanOffset;
  const auto plan = [&](const At& at, int first) {
    input[offset++] = static_cast<std::uint8_t>(first + at.call);
    const auto error = std::ranges::find(kErrnos, at.error) - kErrnos.begin();
    input[offset++] = static_cast<std::uint8_t>(error);
  };
  for (const At& at : opening) plan(at, 0);
  for (const At& at : creating) plan(at, 128);
  input.insert(input.end(), header.begin(), header.end());
  return input;
}

// The header of one slot with another word in it.
Header changed(std::size_t offset, std::uint64_t word) {
  Header header = wire::fresh_header(4096, 1);
  wire::put64(header, offset, word);
  wire::seal(header);
  return header;
}

void add_creations(Seeds& seeds) {
  const auto create = [&](const char* name, std::initializer_list<At> creating,
                          std::uint8_t steps = kCreates, std::uint8_t room = 0) {
    seeds.insert({name, make_file(0, {}, steps, 3, room, {}, creating)});
  };
  const auto says = [](FirstOpener first) {
    return static_cast<std::uint8_t>(kCreates | static_cast<int>(first) * kFirstOpenerUnit);
  };
  create("create", {}, kCreates, 044 << 2);  // all may read it
  create("create-or-open", {}, kCreates | kOrOpens);
  create("create-silent", {}, says(FirstOpener::kSaysNothing));
  create("create-cannot-recover", {}, says(FirstOpener::kFails));
  create("room-exact", {}, kCreates, static_cast<std::uint8_t>(Room::kExact));
  create("room-short", {}, kCreates, static_cast<std::uint8_t>(Room::kOneByteShort));
  create("room-disk", {}, kCreates, static_cast<std::uint8_t>(Room::kMoreThanTheDisk));
  create("interrupted", {{3, EINTR}, {14, EINTR}});
  constexpr std::uint8_t kTakes[] = {1, 8, 16, 24};
  for (const std::uint8_t call : kTakes) {
    create(("overtaken-" + std::to_string(call)).c_str(), {{call, kInterferes}});
    create(("overtaken-opens-" + std::to_string(call)).c_str(), {{call, kInterferes}},
           kCreates | kOrOpens);
  }
  constexpr std::uint8_t kDrafts[] = {3, 4, 16, 17, 18};
  for (const std::uint8_t call : kDrafts) {  // files without a name are declined
    create(("named-" + std::to_string(call)).c_str(), {{call, EOPNOTSUPP}});
  }
}

// Files that are whole, cut short, sparse and contradictory; every system call failing in turn; the
// name changing hands.
Seeds file_seeds() {
  const Header small = wire::fresh_header(4096, 1);
  const Header holes = wire::fresh_header(4096, 128);
  constexpr std::int64_t kSmallFile = 537;
  constexpr std::int64_t kHolesLonger = 320 * 128 + 16;
  constexpr std::int64_t kBytes = wire::kSize;
  Seeds seeds = {
      {"exact", make_file(kSmallFile - kBytes, small)},
      {"long", make_file(4096, small, kPublishes)},
      {"odd", make_file(4096, changed(32, 1), kPublishes)},
      {"cut", make_file(-100, small)},
      {"one-short", make_file(kSmallFile - 1 - kBytes, small)},
      {"sparse", make_file(8 << 20, small)},
      {"holes", make_file(kHolesLonger, holes)},
      {"empty", make_file(-kBytes, {})},
      {"overlap", make_file(4096, changed(112, 217))},
      {"beyond", make_file(4096, changed(128, std::uint64_t{1} << 63))},
      {"few-readers", make_file(4096, changed(136, 0))},
      {"trusted", make_file(4096, changed(32, 1), kPublishes | kFirstOpenerUnit)},
      {"silent", make_file(4096, small, 2 * kFirstOpenerUnit)},
      {"cannot-recover", make_file(4096, small, 3 * kFirstOpenerUnit)},
      {"ruin", make_file(-100, small, kPublishes | kOrOpens, 1)},
      {"blank", make_file(4096, Header{}, kOrOpens, 1)},
  };
  add_creations(seeds);
  for (std::uint8_t number = 1; number < 48; number += 2) {  // one call of either task fails
    seeds.insert({"fails-" + std::to_string(number),
                  make_file(kHolesLonger, holes, kCreates, 3, 0,
                            {{static_cast<std::uint8_t>(number - 1), EIO}, {number, EINTR}},
                            {{number, EIO}})});
  }
  for (std::uint8_t number = 1; number < 30; number += 4) {
    seeds.insert({"fifo-" + std::to_string(number),
                  make_file(4096, small, 0, 0, 0, {{number, kInterferes}})});
    seeds.insert({"truncated-" + std::to_string(number),
                  make_file(4096, small, 0, 0, 0, {{number, kTruncates}})});
  }
  std::uint8_t kind = 0;
  for (const char* name : {"missing", "folder", "link", "queue", "socket", "device"}) {
    seeds.insert({std::string("no-file-") + name, make_file(0, {}, kOpensNoFile, kind++)});
  }
  return seeds;
}

// --- /proc/PID/stat ------------------------------------------------------------------------------

Seeds proc_stat_seeds() {
  std::string fields;
  std::string negative;
  for (int number = 4; number < 53; ++number) {
    fields += " " + std::to_string(number);
    negative += " -1";
  }
  const std::pair<const char*, std::string> texts[] = {
      {"plain", "42 (name) S" + fields + "\n"},
      {"parentheses", "42 (a) b) (c)) Z" + fields + "\n"},
      {"short", "42 (name) S 1 2 3\n"},
      {"negative", "42 (x) R" + negative + "\n"},
      {"no-name", "42 name S 1\n"},
  };
  Seeds list;
  for (const auto& [name, text] : texts) list[name] = {text.begin(), text.end()};
  return list;
}

// --- the corpus ----------------------------------------------------------------------------------

Seeds read(const fs::path& folder) {
  Seeds seeds;
  for (const auto& entry : fs::directory_iterator(folder)) {
    std::ifstream file(entry.path(), std::ios::binary);
    seeds[entry.path().filename().string()].assign(std::istreambuf_iterator<char>(file), {});
  }
  return seeds;
}

void write(const fs::path& folder, const Seeds& seeds) {
  fs::remove_all(folder);
  fs::create_directories(folder);
  for (const auto& [name, bytes] : seeds) {
    std::ofstream(folder / name, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
}

TEST(Seeds, AreReproducible) {
  const std::pair<const char*, Seeds> all[] = {
      {"open_raw", header_seeds()}, {"open_sealed", header_seeds()},
      {"operations", call_seeds()}, {"schedule", schedule_seeds()},
      {"shm_file", file_seeds()},   {"proc_stat", proc_stat_seeds()}};
  for (const auto& [target, seeds] : all) {
    const fs::path folder = fs::path(FSQLSHM_CORPUS_DIR) / target;
    if (std::getenv("FSQLSHM_WRITE_SEEDS") != nullptr) write(folder, seeds);
    EXPECT_EQ(read(folder), seeds) << target;
  }
}

}  // namespace
}  // namespace fsqlshm::fuzz
