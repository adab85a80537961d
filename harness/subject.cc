#include "harness/subject.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <span>
#include <sstream>
#include <system_error>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "fsqlshm/shared_memory_layout.h"
#include "harness/guarded.h"
#include "harness/properties/execution.h"
#include "harness/random.h"

namespace fsqlshm::harness {
namespace {

constexpr std::size_t kLargest = 4096;  // bytes, of a header and of its alignment: fsqlshm.h
constexpr std::size_t kWord = sizeof(std::uint64_t);

// A sentence for a person that stops the loading.
struct Refusal {
  std::string why;
};

struct NamedPromise {
  fsqlshm_promise promise;
  std::string_view name;
};
constexpr NamedPromise kPromiseNames[] = {
    {FSQLSHM_P1_EXCLUSION, kP1},          {FSQLSHM_P2_INTEGRITY, kP2},
    {FSQLSHM_P3_QUIESCENCE, kP3},         {FSQLSHM_P4_CRASH, kP4},
    {FSQLSHM_P5_EVICTION, kP5},           {FSQLSHM_P6_PROGRESS, kP6},
    {FSQLSHM_HONEST_BUSY, kBusyProperty}, {FSQLSHM_SNAPSHOT, "whole snapshots"},
    {FSQLSHM_IDS, "unique ids"},          {FSQLSHM_CERTAINTY, "certain deaths"},
};
static_assert([] {
  unsigned all = 0;
  for (const NamedPromise& named : kPromiseNames) all |= named.promise;
  return all == FSQLSHM_PROMISES_ALL;
}());

// The promise that a property is part of.
std::optional<fsqlshm_promise> promise_of(std::string_view property) {
  for (const std::string_view snapshot :
       {kI1Even, kI2Whole, kI3Back, kI4Ddl, kSnapshotIntegrity, kSnapshotLinear}) {
    if (property == snapshot) return FSQLSHM_SNAPSHOT;
  }
  for (const std::string_view ids :
       {kIdUnique, kIdDomain, kIdOrder, kTxnIdsUnique, kTxnIdsAscend, kTxnIdsNotLost}) {
    if (property == ids) return FSQLSHM_IDS;
  }
  const auto* const named = std::ranges::find(kPromiseNames, property, &NamedPromise::name);
  return named == std::end(kPromiseNames) ? std::nullopt : std::optional(named->promise);
}

// What is asked of a shared object besides its operations.
struct About {
  decltype(&::fsqlshm_interface_version) interface_version;
  decltype(&::fsqlshm_implementation) implementation;
  decltype(&::fsqlshm_promises) promises;
  decltype(&::fsqlshm_known_defects) known_defects;  // optional
  decltype(&::fsqlshm_header_size) header_size;
  decltype(&::fsqlshm_header_alignment) header_alignment;
};

// Finds functions by name, and remembers which are not there.
class Symbols {
 public:
  explicit Symbols(void* object) : object_(object) {}

  template <class Function>
  void find(Function*& function, const char* name, bool optional = false) {
    // POSIX has it that a pointer to a function fits.
    function = reinterpret_cast<Function*>(::dlsym(object_, name));
    if (function == nullptr && !optional) missing_.emplace_back(name);
  }
  [[nodiscard]] const std::vector<std::string>& missing() const { return missing_; }

 private:
  void* object_;
  std::vector<std::string> missing_;
};

About find_about(Symbols& symbols) {
  About about{};
  symbols.find(about.interface_version, "fsqlshm_interface_version");
  symbols.find(about.implementation, "fsqlshm_implementation");
  symbols.find(about.promises, "fsqlshm_promises");
  symbols.find(about.known_defects, "fsqlshm_known_defects", true);
  symbols.find(about.header_size, "fsqlshm_header_size");
  symbols.find(about.header_alignment, "fsqlshm_header_alignment");
  return about;
}

SubjectFunctions find_functions(Symbols& symbols) {
  SubjectFunctions all{};
  symbols.find(all.create, "fsqlshm_header_create");
  symbols.find(all.open, "fsqlshm_header_open");
  symbols.find(all.to_bytes, "fsqlshm_header_to_bytes");
  symbols.find(all.geometry, "fsqlshm_header_geometry");
  symbols.find(all.begin_snapshot_publish, "fsqlshm_header_begin_snapshot_publish");
  symbols.find(all.end_snapshot_publish, "fsqlshm_header_end_snapshot_publish");
  symbols.find(all.publish_snapshot, "fsqlshm_header_publish_snapshot");
  symbols.find(all.reconcile, "fsqlshm_header_reconcile");
  symbols.find(all.load_consistent_snapshot, "fsqlshm_header_load_consistent_snapshot");
  symbols.find(all.acquire_serialized_writer, "fsqlshm_header_acquire_serialized_writer");
  symbols.find(all.release_serialized_writer, "fsqlshm_header_release_serialized_writer");
  symbols.find(all.check_serialized_writer, "fsqlshm_header_check_serialized_writer");
  symbols.find(all.check_serialized_writer_exclusion,
               "fsqlshm_header_check_serialized_writer_exclusion");
  symbols.find(all.alloc_txn_id, "fsqlshm_header_alloc_txn_id");
  symbols.find(all.load_commit_seq, "fsqlshm_header_load_commit_seq");
  symbols.find(all.load_schema_epoch, "fsqlshm_header_load_schema_epoch");
  symbols.find(all.load_ecs_epoch, "fsqlshm_header_load_ecs_epoch");
  symbols.find(all.load_gc_horizon, "fsqlshm_header_load_gc_horizon");
  symbols.find(all.store_gc_horizon, "fsqlshm_header_store_gc_horizon");
  symbols.find(all.try_load_consistent_snapshot, "fsqlshm_header_try_load_consistent_snapshot",
               true);
  symbols.find(all.clear_serialized_writer, "fsqlshm_header_clear_serialized_writer", true);
  return all;
}

struct Loaded {
  About about;
  SubjectFunctions functions;
};

Loaded load_object(const std::filesystem::path& file, Doing* doing) {
  if (doing != nullptr) (*doing)("dlopen");
  // Not by its bare name, for which dlopen looks elsewhere.
  void* const object =
      ::dlopen(std::filesystem::absolute(file).c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): glibc has an error for each thread
  if (object == nullptr) throw Refusal{::dlerror()};
  Symbols symbols(object);
  Loaded loaded{};
  loaded.about = find_about(symbols);
  // Its version first: a later interface may have other functions.
  if (loaded.about.interface_version == nullptr) {
    throw Refusal{"exports no fsqlshm_interface_version: it is no subject (fsqlshm.h)"};
  }
  if (doing != nullptr) (*doing)("fsqlshm_interface_version");
  const std::uint32_t version = loaded.about.interface_version();
  if (version != FSQLSHM_INTERFACE_VERSION) {
    throw Refusal{
        fmt::format("has interface version {}, expected {}", version, FSQLSHM_INTERFACE_VERSION)};
  }
  loaded.functions = find_functions(symbols);
  if (!symbols.missing().empty()) {
    throw Refusal{fmt::format("does not export {}", fmt::join(symbols.missing(), ", "))};
  }
  return loaded;
}

// What a subject says of itself, as the child that asks it finds.
struct Found {
  std::string implementation;
  std::string known_defects;
  std::uint64_t promises = 0;
  std::size_t size = 0;
  std::size_t alignment = 0;
  WordOffsets offsets{};
};

void check_size(std::size_t size, std::size_t alignment) {
  const std::size_t least = kAtomicFields.size() * kWord;
  if (size < least || size > kLargest) {
    throw Refusal{fmt::format("fsqlshm_header_size: found {} bytes, expected {} to {}", size, least,
                              kLargest)};
  }
  if (!std::has_single_bit(alignment) || alignment < kWord || alignment > kLargest) {
    throw Refusal{
        fmt::format("fsqlshm_header_alignment: found {}, expected a power of two from {} to {}",
                    alignment, kWord, kLargest)};
  }
}

// A header whose ten words are all different, and like nothing else in it.
HeaderBytes distinct_words(std::uint64_t seed) {
  Random random(seed);
  SharedMemoryLayout header;
  for (const Field field : kAtomicFields) {
    header.words().store(field, random.next(), std::memory_order::relaxed);
  }
  return header.to_bytes();
}

std::uint64_t word_at(std::span<const std::byte> bytes, std::size_t offset) {
  std::uint64_t word = 0;
  std::memcpy(&word, bytes.data() + offset, kWord);
  return word;
}

HeaderBytes to_bytes(const SubjectFunctions& functions, const fsqlshm_header* header) {
  HeaderBytes bytes{};
  functions.to_bytes(header, reinterpret_cast<std::uint8_t*>(bytes.data()));
  return bytes;
}

void open_distinct(const SubjectFunctions& functions, const SubjectMemory& memory, Doing& doing,
                   const HeaderBytes& bytes) {
  doing("fsqlshm_header_open");
  const fsqlshm_code code = functions.open(memory.header(), bytes.data(), bytes.size(), nullptr);
  if (code != FSQLSHM_OK) {
    throw Refusal{fmt::format("fsqlshm_header_open refuses a good header with code {}",
                              static_cast<int>(code))};
  }
}

// Opens a header with known words and looks for them.
WordOffsets find_words(const SubjectFunctions& functions, const SubjectMemory& memory,
                       Doing& doing) {
  const HeaderBytes bytes = distinct_words(1);
  open_distinct(functions, memory, doing, bytes);
  WordOffsets offsets{};
  for (const Field field : kAtomicFields) {
    const std::uint64_t wanted = word_at(bytes, fsqlshm::offset_of(field));
    std::vector<std::size_t> places;
    for (std::size_t at = 0; at + kWord <= memory.bytes().size(); at += kWord) {
      if (word_at(memory.bytes(), at) == wanted) places.push_back(at);
    }
    if (places.size() != 1) {
      throw Refusal{fmt::format(
          "its header holds {} at {}: its atomic words must be whole, aligned, and there once",
          field_name(field),
          places.empty() ? "no place" : fmt::format("the offsets {}", fmt::join(places, ", ")))};
    }
    offsets[atomic_index(field)] = places.front();
  }
  return offsets;
}

// The words are where they were found: the subject reads them there.
void confirm_words(const SubjectFunctions& functions, const SubjectMemory& memory, Doing& doing,
                   const WordOffsets& offsets) {
  const HeaderBytes bytes = distinct_words(2);
  for (const Field field : kAtomicFields) {
    std::memcpy(memory.bytes().data() + offsets[atomic_index(field)],
                bytes.data() + fsqlshm::offset_of(field), kWord);
  }
  doing("fsqlshm_header_to_bytes");
  if (to_bytes(functions, memory.header()) != bytes) {
    throw Refusal{
        "fsqlshm_header_to_bytes does not show the words of its header: are they kept elsewhere?"};
  }
}

Found ask(const std::filesystem::path& file, Doing& doing) {
  const Loaded loaded = load_object(file, &doing);
  const auto& [about, functions] = loaded;
  Found found;
  doing("fsqlshm_implementation");
  found.implementation = about.implementation();
  doing("fsqlshm_promises");
  found.promises = about.promises();
  doing("fsqlshm_known_defects");
  if (about.known_defects != nullptr) found.known_defects = about.known_defects();
  doing("fsqlshm_header_size");
  found.size = about.header_size();
  doing("fsqlshm_header_alignment");
  found.alignment = about.header_alignment();
  check_size(found.size, found.alignment);

  const SubjectMemory memory(found.size, found.alignment);
  doing("fsqlshm_header_create");
  if (functions.create(memory.header(), 4096, 0, nullptr) != FSQLSHM_OK) {
    throw Refusal{"fsqlshm_header_create refuses a page size of 4096"};
  }
  found.offsets = find_words(functions, memory, doing);
  confirm_words(functions, memory, doing, found.offsets);
  if (const auto outside = memory.written_outside()) throw Refusal{*outside};
  return found;
}

nlohmann::json to_json(const Found& found) {
  return {{"implementation", found.implementation},
          {"known_defects", found.known_defects},
          {"promises", found.promises},
          {"size", found.size},
          {"alignment", found.alignment},
          {"offsets", found.offsets}};
}

// Asks in a child.
Found ask_guarded(const std::filesystem::path& file, std::chrono::nanoseconds patience) {
  const auto dump = [](const nlohmann::json& document) {
    return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  };
  const auto answer = guarded(
      [&](Doing& doing) {
        try {
          return dump(to_json(ask(file, doing)));
        } catch (const Refusal& refusal) {
          return dump({{"refused", refusal.why}});
        }
      },
      patience);
  if (!answer) throw Refusal{answer.error().text()};
  const auto document = nlohmann::json::parse(*answer);
  if (document.contains("refused")) throw Refusal{document["refused"]};
  return {.implementation = document["implementation"],
          .known_defects = document["known_defects"],
          .promises = document["promises"],
          .size = document["size"],
          .alignment = document["alignment"],
          .offsets = document["offsets"]};
}

std::string checksum_of(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  if (!in) throw Refusal{"cannot be read"};
  const XXH128_hash_t hash = XXH3_128bits(bytes.data(), bytes.size());
  return fmt::format("{:016x}{:016x}", hash.high64, hash.low64);
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream in(text);
  return {std::istream_iterator<std::string>(in), {}};
}

}  // namespace

std::expected<Subject, std::string> Subject::load(const std::filesystem::path& file,
                                                  std::chrono::nanoseconds patience) {
  try {
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(file, ignored)) throw Refusal{"is no file"};
    Subject subject;
    subject.file_ = file;
    subject.checksum_ = checksum_of(file);
    const Found found = ask_guarded(file, patience);
    subject.implementation_ = found.implementation;
    subject.known_defects_ = words_of(found.known_defects);
    subject.promises_ = found.promises;
    subject.header_size_ = found.size;
    subject.alignment_ = found.alignment;
    subject.offsets_ = found.offsets;
    subject.functions_ = load_object(file, nullptr).functions;
    return subject;
  } catch (const Refusal& refusal) {
    return std::unexpected(fmt::format("subject {}: {}", file.string(), refusal.why));
  }
}

std::vector<std::string_view> Subject::promises() const {
  std::vector<std::string_view> names;
  for (const NamedPromise& named : kPromiseNames) {
    if (promises(named.promise)) names.push_back(named.name);
  }
  return names;
}

std::string_view Subject::severity(std::string_view property, std::string_view defect) const {
  if (!defect.empty() && std::ranges::find(known_defects_, defect) != known_defects_.end()) {
    return "expected";
  }
  const auto promise = promise_of(property);
  return promise && !promises(*promise) ? "expected" : "violation";
}

nlohmann::json Subject::describe() const {
  return {{"file", file_.string()},
          {"checksum", checksum_},
          {"implementation", implementation_},
          {"promises", promises()},
          {"known_defects", known_defects_}};
}

}  // namespace fsqlshm::harness
