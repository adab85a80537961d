#include "fuzz/golden.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <stdexcept>

#include "fuzz/check_open.h"

namespace fsqlshm::fuzz {

std::vector<nlohmann::json> golden_lines(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(nlohmann::json::parse(line));
  if (lines.size() < 100) throw std::runtime_error(file.string() + " has too few golden vectors");
  return lines;
}

std::vector<std::uint8_t> unhex(const std::string& text) {
  std::vector<std::uint8_t> bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(std::stoul(text.substr(i, 2), nullptr, 16)));
  }
  return bytes;
}

Step golden_step(const nlohmann::json& op) {
  Step step;
  const std::string name = op["op"];
  while (to_string(step.call) != name) {
    if (step.call == Call::kLoadCounters) throw std::runtime_error("unknown operation " + name);
    step.call = static_cast<Call>(static_cast<int>(step.call) + 1);
  }
  auto args = op["args"];
  if (step.call == Call::kCheckExclusion) {
    step.dead = args.back().get<bool>() ? Dead::kNobody : Dead::kEverybody;
    args.erase(1);
  } else if (step.call == Call::kAcquire) {
    step.pid = args[1];
    args.erase(1);
  }
  std::uint64_t* const values[] = {&step.a, &step.b, &step.c};
  for (std::size_t i = 0; i < args.size(); ++i) *values[i] = args[i];
  return step;
}

namespace {

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

}  // namespace

// Three golden inputs of every outcome, the headers of three geometries, and headers that are looked
// at closely: one for each refusal and for each complaint of `validate`.
std::vector<Seed> header_seeds(const std::filesystem::path& golden) {
  std::vector<Seed> seeds;
  std::map<std::string, int> taken;
  for (const auto& entry : golden_lines(golden / "open.jsonl")) {
    const std::string result = entry["result"];
    if (++taken[result] > 3) continue;
    seeds.push_back({result + "-" + std::to_string(taken[result]), unhex(entry["bytes"])});
  }
  const auto headers = golden_lines(golden / "headers.jsonl");
  for (std::size_t i = 0; i < headers.size(); i += 60) {
    seeds.push_back(
        {"header-" + headers[i]["page_size"].dump() + "-" + headers[i]["max_txn_slots"].dump(),
         unhex(headers[i]["bytes"])});
  }
  const auto add = [&](const char* name, const Header& header) -> std::vector<std::uint8_t>& {
    seeds.push_back({std::string("closely-") + name, {header.begin(), header.end()}});
    return seeds.back().bytes;
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

// Every fifth golden trace, what the golden traces cannot know, and calls on the real atomics.
std::vector<Seed> program_seeds(const std::filesystem::path& golden) {
  std::vector<Seed> seeds;
  const auto traces = golden_lines(golden / "traces.jsonl");
  for (std::size_t i = 0; i < traces.size(); i += 5) {
    const std::vector<std::uint8_t> header = unhex(traces[i]["initial"]);
    ProgramHead head = {.from_words = true,
                        .page_size = wire::get32(header, wire::kPageSize),
                        .slots = std::min(wire::get32(header, wire::kSlots), 255U),
                        .self_pid = 42};
    for (std::size_t word = 0; word < head.words.size(); ++word) {
      head.words[word] = wire::get64(header, wire::kFirstAtomic + 8 * word);
    }
    std::vector<Step> steps;
    for (const auto& op : traces[i]["ops"]) steps.push_back(golden_step(op));
    seeds.push_back({"trace-" + traces[i]["id"].dump(), encode_program(head, steps)});
  }

  // Words that only the hardened protocol writes.
  const Step check = {.call = Call::kCheckExclusion, .a = 10};
  const Step check_of_the_dead = {.call = Call::kCheckExclusion, .dead = Dead::kEverybody, .a = 10};
  constexpr std::uint64_t kTicks = 5;
  std::uint64_t tag = 0;
  for (const char* const name : {"claiming", "cleaning", "unused"}) {
    const std::uint64_t writer = ++tag << 62 | std::uint64_t{77} << 40 | kTicks;
    const ProgramHead head = {
        .from_words = true,
        .page_size = 4096,
        .self_pid = 42,
        .words = {7, 0, 3, 2, 1, 0, writer, std::uint64_t{1} << 32 | 77, kKnownBirth | kTicks, 0}};
    seeds.push_back(
        {name, encode_program(head, {{.call = Call::kCheck},
                                     {.call = Call::kAcquire, .pid = 1, .a = 9, .b = 2, .c = 3},
                                     check,
                                     check_of_the_dead})});
  }

  seeds.push_back(
      {"no-ids", encode_program({.page_size = 4096, .self_pid = 42},
                                {{.call = Call::kAcquire, .pid = 1, .b = 2, .c = 3},
                                 {.call = Call::kRelease, .a = std::uint64_t{1} << 62}})});
  seeds.push_back(
      {"in-place",
       encode_program({.in_place = true, .page_size = 4096, .self_pid = 42},
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

}  // namespace fsqlshm::fuzz
