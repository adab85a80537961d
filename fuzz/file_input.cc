#include "fuzz/file_input.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <system_error>
#include <utility>

#include "fuzz/check_open.h"

namespace fsqlshm::fuzz {
namespace {

constexpr std::size_t kHead = 16;
constexpr std::size_t kPlanOffset = 8;
constexpr std::uint64_t kMaxFile = std::uint64_t{8} << 20;

// The bits of byte 4.
constexpr std::uint8_t kPublishes = 1, kCreates = 2, kOpensNoFile = 4, kOrOpens = 8, kDurable = 16;

// What happens at a system call: it fails like this, or the name changes hands.
constexpr int kInterferes = 0;
constexpr std::array<int, 14> kErrnos = {EIO,        ENOENT, EACCES, ENOSPC,     EINTR,
                                         EEXIST,     EMFILE, ENOMEM, EROFS,      EDQUOT,
                                         EOPNOTSUPP, EISDIR, EINVAL, kInterferes};

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
  file.options.mode = 0600U | (head[7] / 4U);
  file.options.durable = (head[4] & kDurable) != 0;
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
  if (random.one_in(4)) buffer[4] = static_cast<std::uint8_t>(random.below(32));
  if (random.one_in(8)) buffer[5 + random.below(3)] = static_cast<std::uint8_t>(random.next());
  if (random.one_in(3)) {
    // Creating a file takes ten to twenty calls, opening one at most seven.
    std::uint8_t* const entry = &buffer[kPlanOffset + 2 * random.below(4)];
    entry[0] =
        static_cast<std::uint8_t>(random.one_in(2) ? random.below(8) : 128 + random.below(24));
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
  std::vector<Unit> list;
  if (input.size() < kHead) return list;
  list.push_back({.name = "length", .offset = 0, .plain = {0, 0, 0, 0}});
  for (std::size_t i = 4; i < kHead; ++i) {
    list.push_back({.name = "flag " + std::to_string(i), .offset = i, .plain = {0}});
  }
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
      {file->or_opens, "creates it only if it is missing\n"},
      {file->options.durable, "syncs what it creates\n"}};
  for (const auto& [done, what] : steps) {
    if (done) text += what;
  }
  for (const Interference& entry : file->plan) {
    if (entry.call == 0) continue;
    text += (entry.of_creation ? "creating another, call " : "opening it, call ") +
            std::to_string(entry.call) + ": " +
            (entry.error != kInterferes ? std::generic_category().message(entry.error)
                                        : "another process has the name first") +
            "\n";
  }
  return text;
}

namespace {

struct At {
  std::uint8_t call;
  int error;
};

// A head, and a header after it, if there is one.
std::vector<std::uint8_t> make(std::int64_t longer, Bytes header, std::uint8_t steps = 0,
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

using Header = std::array<std::uint8_t, wire::kSize>;

// The header of one slot with another word in it.
Header changed(std::size_t offset, std::uint64_t word) {
  Header header = wire::fresh_header(4096, 1);
  wire::put64(header, offset, word);
  wire::seal(header);
  return header;
}

void add_creations(std::vector<Seed>& seeds) {
  const auto create = [&](const char* name, std::initializer_list<At> creating,
                          std::uint8_t steps = kCreates, std::uint8_t room = 0) {
    seeds.push_back({name, make(0, {}, steps, 3, room, {}, creating)});
  };
  create("create", {}, kCreates, 044 << 2);  // all may read it
  create("create-or-open", {}, kCreates | kOrOpens | kDurable);
  create("room-exact", {}, kCreates, static_cast<std::uint8_t>(Room::kExact));
  create("room-short", {}, kCreates, static_cast<std::uint8_t>(Room::kOneByteShort));
  create("room-disk", {}, kCreates, static_cast<std::uint8_t>(Room::kMoreThanTheDisk));
  create("named", {{2, EOPNOTSUPP}});
  create("named-twice", {{2, EOPNOTSUPP}, {3, EEXIST}});
  create("named-refused", {{2, EOPNOTSUPP}, {3, EACCES}});
  create("named-full", {{2, EOPNOTSUPP}, {4, ENOSPC}});
  create("named-stays", {{2, EOPNOTSUPP}, {8, EIO}});
  create("interrupted", {{3, EINTR}, {5, EINTR}});
  create("overtaken", {{6, kInterferes}});
  create("overtaken-opens", {{7, kInterferes}}, kCreates | kOrOpens);
  create("exists", {{6, EEXIST}});
  create("vanished", {{1, kInterferes}, {2, ENOENT}}, kCreates | kOrOpens);
}

}  // namespace

// Files that are whole, cut short, sparse and contradictory; every system call failing in turn; the
// name changing hands.
std::vector<Seed> file_seeds(const std::filesystem::path& /*golden*/) {
  const Header small = wire::fresh_header(4096, 1);
  const Header holes = wire::fresh_header(4096, 128);
  constexpr std::int64_t kSmallFile = 537;
  constexpr std::int64_t kHolesLonger = 320 * 128 + 16;
  constexpr std::int64_t kBytes = wire::kSize;
  std::vector<Seed> seeds = {
      {"exact", make(kSmallFile - kBytes, small)},
      {"long", make(4096, small, kPublishes)},
      {"odd", make(4096, changed(32, 1), kPublishes)},
      {"cut", make(-100, small)},
      {"one-short", make(kSmallFile - 1 - kBytes, small)},
      {"sparse", make(8 << 20, small)},
      {"holes", make(kHolesLonger, holes)},
      {"empty", make(-kBytes, {})},
      {"overlap", make(4096, changed(112, 217))},
      {"beyond", make(4096, changed(128, std::uint64_t{1} << 63))},
      {"few-readers", make(4096, changed(136, 0))},
      {"fifo", make(4096, small, 0, 0, 0, {{2, kInterferes}})},
      {"fifo-before", make(4096, small, 0, 0, 0, {{1, kInterferes}})},
  };
  add_creations(seeds);
  for (std::uint8_t number = 1; number < 12; ++number) {  // one call of either task fails
    seeds.push_back(
        {"fails-" + std::to_string(number),
         make(kHolesLonger, holes, kCreates | kDurable, 3, 0, {{number, EIO}}, {{number, EIO}})});
  }
  std::uint8_t kind = 0;
  for (const char* name : {"missing", "folder", "link", "queue", "socket", "device"}) {
    seeds.push_back({std::string("no-file-") + name, make(0, {}, kOpensNoFile, kind++)});
  }
  return seeds;
}

}  // namespace fsqlshm::fuzz
