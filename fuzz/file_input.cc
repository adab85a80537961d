#include "fuzz/file_input.h"

#include <algorithm>
#include <string_view>
#include <system_error>
#include <utility>

#include "fuzz/check_open.h"

namespace fsqlshm::fuzz {
namespace {

constexpr std::size_t kHead = 16;
constexpr std::size_t kPlanOffset = 8;
constexpr std::uint64_t kMaxFile = std::uint64_t{8} << 20;

Plan decode_plan(Bytes head) {
  Plan plan;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    const std::uint8_t call = head[kPlanOffset + 2 * i];
    plan[i] = {.of_creation = call >= 128,
               .call = static_cast<std::uint8_t>(call % 128),
               .error = kErrnos[head[kPlanOffset + 2 * i + 1] % kErrnos.size()]};
  }
  return plan;
}

}  // namespace

std::optional<FileInput> decode_file(Bytes input) {
  if (input.size() < kHead) return std::nullopt;
  const Bytes head = input.first(kHead);
  const Bytes rest = input.subspan(kHead);
  const auto longer = static_cast<std::int32_t>(wire::get32(head, 0));
  FileInput file;
  file.content.size = static_cast<std::uint64_t>(std::clamp<std::int64_t>(
      static_cast<std::int64_t>(rest.size()) + longer, 0, static_cast<std::int64_t>(kMaxFile)));
  const Bytes kept = rest.first(std::min<std::uint64_t>(file.content.size, rest.size()));
  file.content.bytes.assign(kept.begin(), kept.end());
  file.publishes = (head[4] & kPublishes) != 0;
  file.creates = (head[4] & kCreates) != 0;
  file.opens_no_file = (head[4] & kOpensNoFile) != 0;
  file.no_file = head[5];
  file.or_opens = (head[4] & kOrOpens) != 0;
  file.room = static_cast<Room>(head[7] % 4);
  file.options.max_txn_slots = head[5];
  file.options.page_size = *PageSize::from_raw(std::uint32_t{512} << (head[6] % 8));
  file.first = static_cast<FirstOpener>(head[4] / kFirstOpenerUnit % 4);
  file.options.access.mode = 0600U | (head[7] / 4U);
  file.plan = decode_plan(head);
  return file;
}

namespace {

void mutate_head(MutableBytes buffer, std::size_t size, Random& random) {
  if (random.one_in(3)) {
    // Around what the header asks for, or anything.
    std::uint64_t longer = random.next() % (2 * kMaxFile) - kMaxFile / 4;
    if (size >= kHead + wire::kSize && random.one_in(2)) {
      const Bytes header = Bytes(buffer).subspan(kHead);
      longer =
          wire::get64(header, 128) + wire::get64(header, 136) - wire::kSize + 1 - random.below(3);
    }
    wire::put32(buffer, 0, static_cast<std::uint32_t>(longer));
  }
  if (random.one_in(4)) buffer[4] = static_cast<std::uint8_t>(random.below(64));
  if (random.one_in(8)) buffer[5 + random.below(3)] = static_cast<std::uint8_t>(random.next());
  if (random.one_in(3)) {
    // Creating a file takes some forty calls, opening one up to forty.
    std::uint8_t* const entry = &buffer[kPlanOffset + 2 * random.below(4)];
    entry[0] = static_cast<std::uint8_t>((random.one_in(2) ? 0 : 128) + random.below(48));
    entry[1] = static_cast<std::uint8_t>(random.below(kErrnos.size()));
  }
}

// A geometry that fits, or nearly: small, so that the file can hold it.
void fit_geometry(MutableBytes header, Random& random) {
  wire::put32(header, wire::kSlots, static_cast<std::uint32_t>(1 + random.below(64)));
  wire::derive_regions(header);
  if (random.one_in(3)) {
    const std::size_t field = wire::kRegions + 8 * random.below(5);
    wire::put64(header, field, tweak(wire::get64(header, field), random));
  }
  wire::seal(header);
}

}  // namespace

std::size_t mutate_file(MutableBytes buffer, std::size_t size, std::uint32_t seed,
                        ByteMutator engine) {
  if (buffer.size() < kHead + wire::kSize) return engine(buffer.data(), size, buffer.size());
  Random random(seed);
  if (size < kHead) {
    std::fill_n(buffer.begin(), kHead, std::uint8_t{0});
    size = kHead;
  }
  mutate_head(buffer, size, random);
  const std::size_t rest = mutate_header(buffer.subspan(kHead), size - kHead,
                                         static_cast<std::uint32_t>(random.next()), engine);
  if (rest >= wire::kSize && random.one_in(2)) fit_geometry(buffer.subspan(kHead, rest), random);
  return kHead + rest;
}

std::vector<Unit> file_units(Bytes input) {
  static constexpr Fields kHeadFields[] = {{"length", 4}, {"flag", 1, kHead - 4}};
  if (input.size() < kHead) return {};
  std::vector<Unit> list = units_of(input.first(kHead), kHeadFields);
  for (Unit& unit : header_units(input.subspan(kHead))) {
    unit.offset += kHead;
    list.push_back(std::move(unit));
  }
  return list;
}

std::string explain_file(Bytes input) {
  const auto file = decode_file(input);
  if (!file) return "too short to be a file\n";
  std::string text = "a file of " + std::to_string(file->content.size) + " bytes, of which " +
                     std::to_string(file->content.bytes.size()) + " are given\n";
  const std::pair<bool, std::string_view> steps[] = {
      {file->publishes, "publishes on it\n"},
      {file->creates, "creates another\n"},
      {file->opens_no_file, "opens what is no file\n"},
      {file->or_opens, "makes them if they are missing or ruined\n"},
      {file->first == FirstOpener::kRecovers, "recovers the state\n"},
      {file->first == FirstOpener::kTrusts, "trusts the state\n"},
      {file->first == FirstOpener::kFails, "cannot recover the state\n"}};
  for (const auto& [done, what] : steps) {
    if (done) text += what;
  }
  for (const Interference& entry : file->plan) {
    if (entry.call == 0) continue;
    text += (entry.of_creation ? "creating another, call " : "opening it, call ") +
            std::to_string(entry.call) + ": " +
            (entry.error == kInterferes  ? "another process has the name first"
             : entry.error == kTruncates ? "the file is truncated"
                                         : std::generic_category().message(entry.error)) +
            "\n";
  }
  return text;
}

}  // namespace fsqlshm::fuzz
