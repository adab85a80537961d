#include "tools/golden_replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "fsqlshm.h"
#include "fsqlshm/process.h"
#include "fsqlshm/shared_memory_layout.h"
#include "harness/subject_header.h"

namespace fsqlshm::golden {
namespace {

using nlohmann::json;

/// Reads one file of vectors; `use` is called with each line and its label, for example
/// "open.jsonl:3".
std::uint64_t for_each_vector(const std::filesystem::path& path,
                              const std::function<void(const json&, const std::string&)>& use) {
  std::ifstream in(path);
  if (!in) throw BadVectors(fmt::format("cannot read {}", path.string()));
  std::string line;
  std::uint64_t count = 0;
  while (std::getline(in, line)) {
    ++count;
    const std::string label = fmt::format("{}:{}", path.filename().string(), count);
    try {
      use(json::parse(line), label);
    } catch (const json::exception& error) {
      throw BadVectors(fmt::format("{}: {}", label, error.what()));
    } catch (const BadVectors& error) {
      throw BadVectors(fmt::format("{}: {}", label, error.what()));
    }
  }
  if (in.bad()) throw BadVectors(fmt::format("cannot read {}", path.string()));
  if (count == 0) throw BadVectors(fmt::format("{}: no vectors in it", path.string()));
  return count;
}

std::vector<std::byte> parse_hex(const std::string& text) {
  const auto digit = [](char c) -> unsigned {
    if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
    if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a' + 10);
    throw BadVectors(fmt::format("'{}' is no lower-case hexadecimal digit", c));
  };
  if (text.size() % 2 != 0) throw BadVectors("hexadecimal text of odd length");
  std::vector<std::byte> bytes(text.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<std::byte>(digit(text[2 * i]) * 16 + digit(text[2 * i + 1]));
  }
  return bytes;
}

HeaderBytes parse_header(const json& text) {
  const std::vector<std::byte> bytes = parse_hex(text.get<std::string>());
  if (bytes.size() != kHeaderSize) {
    throw BadVectors(fmt::format("a header of {} bytes, expected {}", bytes.size(), kHeaderSize));
  }
  HeaderBytes header;
  std::ranges::copy(bytes, header.begin());
  return header;
}

// JSON numbers that are negative, fractional or too large for T would be converted silently.
template <class T>
T parse_number(const json& value) {
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<T>::max()) {
    throw BadVectors(
        fmt::format("{} is no unsigned integer of {} bits", value.dump(), 8 * sizeof(T)));
  }
  return value.get<T>();
}

template <class T>
T value_or_bad_vectors(const std::expected<T, ShmError>& result) {
  if (!result) throw BadVectors(result.error().message());
  return *result;
}

TxnId parse_txn_id(const json& value) {
  return value_or_bad_vectors(TxnId::from_raw(parse_number<std::uint64_t>(value)));
}

// The fields in which two headers differ, one line each.
std::string differing_fields(const HeaderBytes& found, const HeaderBytes& expected) {
  std::string text;
  for (const FieldSpan& field : kFields) {
    const auto at = [&](const HeaderBytes& bytes) {
      return std::span(bytes).subspan(field.offset, field.size);
    };
    if (std::ranges::equal(at(found), at(expected))) continue;
    const auto show = [&](const HeaderBytes& bytes) {
      std::uint64_t value = 0;
      if (field.size <= sizeof(value) && field.name != "magic") {
        std::memcpy(&value, at(bytes).data(), field.size);
        return fmt::format("{} ({:#x})", value, value);
      }
      std::string hex;
      for (const std::byte byte : at(bytes)) hex += fmt::format("{:02x}", byte);
      return hex;
    };
    text += fmt::format("    {:<30} offset {:>3}: found {}, expected {}\n", field.name,
                        field.offset, show(found), show(expected));
  }
  return text;
}

class Comparison {
 public:
  explicit Comparison(Report& report) : report_(report) {}

  bool same(const std::string& where, std::string_view what, const json& found,
            const json& expected) {
    if (found == expected) return true;
    differ(
        fmt::format("{}: {}: found {}, expected {}\n", where, what, found.dump(), expected.dump()));
    return false;
  }
  bool same_bytes(const std::string& where, const HeaderBytes& found, const HeaderBytes& expected) {
    if (found == expected) return true;
    differ(fmt::format("{}: header bytes differ\n{}", where, differing_fields(found, expected)));
    return false;
  }

 private:
  void differ(const std::string& text) {
    if (report_.differences++ == 0) report_.first_difference = text;
  }
  Report& report_;
};

// What vectors ask for, of any implementation. Ids are 0 where there is none.
class Header {
 public:
  Header() = default;
  Header(const Header&) = delete;
  Header& operator=(const Header&) = delete;
  virtual ~Header() = default;

  // "ok", or the name of the error.
  virtual std::string create(PageSize page_size, std::uint32_t max_txn_slots) = 0;
  virtual std::string open(std::span<const std::byte> bytes) = 0;
  virtual HeaderBytes to_bytes() = 0;
  virtual fsqlshm_geometry geometry() = 0;

  virtual void begin() = 0;
  virtual void end() = 0;
  virtual void publish(const ShmSnapshot& next) = 0;
  virtual void reconcile(const ShmSnapshot& durable) = 0;
  // None while a publish is in progress, which the vectors never ask for.
  virtual std::optional<ShmSnapshot> load() = 0;
  virtual bool acquire(TxnId id, ProcessIdentity self, std::uint64_t lease_expiry) = 0;
  virtual bool release(TxnId id) = 0;
  virtual std::uint64_t writer() = 0;
  virtual bool no_live_writer(std::uint64_t now, bool alive) = 0;
  virtual std::uint64_t alloc() = 0;
  virtual void store_gc_horizon(std::uint64_t horizon) = 0;
};

template <class Protocol>
class HeaderOf final : public Header {
 public:
  std::string create(PageSize page_size, std::uint32_t max_txn_slots) override {
    layout_.emplace(page_size, max_txn_slots);
    return "ok";
  }
  std::string open(std::span<const std::byte> bytes) override {
    auto opened = Layout::open(bytes);
    if (!opened) return std::string(to_string(opened.error().code()));
    layout_.emplace(*opened);
    return "ok";
  }
  HeaderBytes to_bytes() override { return layout().to_bytes(); }
  fsqlshm_geometry geometry() override {
    const Geometry& found = layout().geometry();
    return {.page_size = found.page_size.get(),
            .max_txn_slots = found.max_txn_slots,
            .lock_table_offset = found.lock_table_offset,
            .witness_offset = found.witness_offset,
            .txn_slot_offset = found.txn_slot_offset,
            .committed_readers_offset = found.committed_readers_offset,
            .committed_readers_bytes = found.committed_readers_bytes,
            .layout_checksum = found.layout_checksum};
  }
  void begin() override { layout().begin_snapshot_publish(); }
  void end() override { layout().end_snapshot_publish(); }
  void publish(const ShmSnapshot& next) override {
    layout().publish_snapshot(next.commit_seq, next.schema_epoch, next.ecs_epoch);
  }
  void reconcile(const ShmSnapshot& durable) override {
    layout().reconcile(durable.commit_seq, durable.schema_epoch, durable.ecs_epoch);
  }
  std::optional<ShmSnapshot> load() override { return layout().try_load_consistent_snapshot(1); }
  bool acquire(TxnId id, ProcessIdentity self, std::uint64_t lease_expiry) override {
    return layout().acquire_serialized_writer(id, self.pid, self.birth, lease_expiry);
  }
  bool release(TxnId id) override { return layout().release_serialized_writer(id); }
  std::uint64_t writer() override { return raw(layout().check_serialized_writer()); }
  bool no_live_writer(std::uint64_t now, bool alive) override {
    return layout().check_serialized_writer_exclusion(
               now, [alive](std::uint32_t, std::uint64_t) { return alive; }) == Exclusion::kOk;
  }
  std::uint64_t alloc() override { return raw(layout().alloc_txn_id()); }
  void store_gc_horizon(std::uint64_t horizon) override {
    layout().store_gc_horizon(CommitSeq(horizon));
  }

 private:
  using Layout = OwnedSharedMemoryLayout<Protocol>;
  // NOLINTNEXTLINE(bugprone-unchecked-optional-access): before create and open, this throws
  Layout& layout() { return layout_.value(); }
  static std::uint64_t raw(std::optional<TxnId> id) { return id ? id->get() : 0; }

  std::optional<Layout> layout_;
};

class SubjectsHeader final : public Header {
 public:
  explicit SubjectsHeader(const harness::SubjectHeader& header) : header_(header) {}

  std::string create(PageSize page_size, std::uint32_t max_txn_slots) override {
    return name(header_.create(page_size.get(), max_txn_slots));
  }
  std::string open(std::span<const std::byte> bytes) override { return name(header_.open(bytes)); }
  HeaderBytes to_bytes() override { return header_.to_bytes(); }
  fsqlshm_geometry geometry() override { return header_.geometry(); }
  void begin() override { header_.begin_snapshot_publish(); }
  void end() override { header_.end_snapshot_publish(); }
  void publish(const ShmSnapshot& next) override { header_.publish_snapshot(next); }
  void reconcile(const ShmSnapshot& durable) override { header_.reconcile(durable); }
  std::optional<ShmSnapshot> load() override { return header_.load_consistent_snapshot(); }
  bool acquire(TxnId id, ProcessIdentity self, std::uint64_t lease_expiry) override {
    return header_.acquire_serialized_writer(id, self, lease_expiry);
  }
  bool release(TxnId id) override { return header_.release_serialized_writer(id); }
  std::uint64_t writer() override { return header_.check_serialized_writer(); }
  bool no_live_writer(std::uint64_t now, bool alive) override {
    const fsqlshm_liveness liveness = {
        .alive = [](void* context, std::uint32_t, std::uint64_t) -> bool {
          return *static_cast<bool*>(context);
        },
        .context = &alive,
        .certain = false};
    return header_.check_serialized_writer_exclusion(now, this_process(), liveness) ==
           FSQLSHM_NO_WRITER;
  }
  std::uint64_t alloc() override { return header_.alloc_txn_id(); }
  void store_gc_horizon(std::uint64_t horizon) override { header_.store_gc_horizon(horizon); }

 private:
  static std::string name(const std::expected<void, fsqlshm_error>& outcome) {
    return fsqlshm_code_text(outcome ? FSQLSHM_OK : outcome.error().code);
  }

  harness::SubjectHeader header_;
};

class Replay {
 public:
  // `tell` is told of every vector.
  Replay(Report& report, Header& header, std::function<void(std::string_view)> tell)
      : compare_(report), report_(report), header_(header), tell_(std::move(tell)) {}

  void creation(const json& vector, const std::string& where) {
    tell_(where);
    const PageSize page_size = value_or_bad_vectors(
        PageSize::from_raw(parse_number<std::uint32_t>(vector.at("page_size"))));
    const auto slots = parse_number<std::uint32_t>(vector.at("requested_max_txn_slots"));
    if (!compare_.same(where, "result", header_.create(page_size, slots), "ok")) return;
    const fsqlshm_geometry found = header_.geometry();
    const std::pair<const char*, json> derived[] = {
        {"page_size", found.page_size},
        {"max_txn_slots", found.max_txn_slots},
        {"lock_table_offset", found.lock_table_offset},
        {"witness_offset", found.witness_offset},
        {"txn_slot_offset", found.txn_slot_offset},
        {"committed_readers_offset", found.committed_readers_offset},
        {"committed_readers_bytes", found.committed_readers_bytes},
        {"layout_checksum", found.layout_checksum},
    };
    // One vector is one difference, however much of it differs.
    for (const auto& [name, value] : derived) {
      if (!compare_.same(where, name, value, vector.at(name))) return;
    }
    compare_.same_bytes(where, header_.to_bytes(), parse_header(vector.at("bytes")));
  }

  void open(const json& vector, const std::string& where) {
    tell_(where);
    const std::vector<std::byte> bytes = parse_hex(vector.at("bytes").get<std::string>());
    const std::string found = header_.open(bytes);
    if (!compare_.same(where, "result", found, vector.at("result").get<std::string>())) return;
    if (found == "ok") {
      compare_.same_bytes(where, header_.to_bytes(), parse_header(vector.at("reserialized")));
    }
  }

  void trace(const json& vector, const std::string& where) {
    tell_(where);
    const HeaderBytes initial = parse_header(vector.at("initial"));
    static_cast<void>(value_or_bad_vectors(SharedMemoryLayout::open(initial)));
    if (!compare_.same(where, "open", header_.open(initial), "ok")) return;
    std::size_t step = 0;
    for (const json& operation : vector.at("ops")) {
      const std::string what =
          fmt::format("{} step {}: {}{}", where, step++, operation.at("op").get<std::string>(),
                      operation.at("args").dump());
      tell_(what);
      const json found = run(header_, operation);
      ++report_.steps;
      // After a difference the rest of the trace says nothing new.
      if (!compare_.same(what, "return value", found, operation.at("ret"))) return;
      if (!compare_.same_bytes(what, header_.to_bytes(), parse_header(operation.at("bytes"))))
        return;
    }
    if (step == 0) throw BadVectors("a trace without operations");
  }

 private:
  static std::uint64_t number(const json& args, std::size_t i) {
    return parse_number<std::uint64_t>(args.at(i));
  }
  static ShmSnapshot triple(const json& args) {
    return {CommitSeq(number(args, 0)), SchemaEpoch(number(args, 1)), number(args, 2)};
  }
  static json id_or_null(std::uint64_t id) { return id == 0 ? json() : json(id); }

  // What a vector can call: its arguments, and the return value as the vectors write it.
  struct Operation {
    std::string_view name;
    std::size_t arguments;
    json (*run)(Header& header, const json& args);
  };
  static constexpr Operation kOperations[] = {
      {"begin_snapshot_publish", 0,
       [](Header& header, const json&) -> json {
         header.begin();
         return nullptr;
       }},
      {"end_snapshot_publish", 0,
       [](Header& header, const json&) -> json {
         header.end();
         return nullptr;
       }},
      {"publish_snapshot", 3,
       [](Header& header, const json& args) -> json {
         header.publish(triple(args));
         return nullptr;
       }},
      {"reconcile", 3,
       [](Header& header, const json& args) -> json {
         header.reconcile(triple(args));
         return nullptr;
       }},
      {"load_consistent_snapshot", 0,
       [](Header& header, const json&) -> json {
         const auto snapshot = header.load();
         if (!snapshot) return "in progress";
         return {snapshot->commit_seq.get(), snapshot->schema_epoch.get(), snapshot->ecs_epoch};
       }},
      {"acquire_serialized_writer", 4,
       [](Header& header, const json& args) -> json {
         return header.acquire(
             parse_txn_id(args.at(0)),
             {.pid = parse_number<std::uint32_t>(args.at(1)), .birth = number(args, 2)},
             number(args, 3));
       }},
      {"release_serialized_writer", 1,
       [](Header& header, const json& args) -> json {
         return header.release(parse_txn_id(args.at(0)));
       }},
      {"check_serialized_writer", 0,
       [](Header& header, const json&) { return id_or_null(header.writer()); }},
      {"check_serialized_writer_exclusion", 2,
       [](Header& header, const json& args) -> json {
         return header.no_live_writer(number(args, 0), args.at(1).get<bool>()) ? "ok" : "busy";
       }},
      {"alloc_txn_id", 0, [](Header& header, const json&) { return id_or_null(header.alloc()); }},
      {"store_gc_horizon", 1,
       [](Header& header, const json& args) -> json {
         header.store_gc_horizon(number(args, 0));
         return nullptr;
       }},
  };

  static json run(Header& header, const json& operation) {
    const auto name = operation.at("op").get<std::string>();
    const json& args = operation.at("args");
    const auto known = std::ranges::find(kOperations, name, &Operation::name);
    if (known == std::end(kOperations)) {
      throw BadVectors(fmt::format("unknown operation \"{}\"", name));
    }
    if (!args.is_array() || args.size() != known->arguments) {
      throw BadVectors(
          fmt::format("{} takes {} arguments, found {}", name, known->arguments, args.dump()));
    }
    return known->run(header, args);
  }

  Comparison compare_;
  Report& report_;
  Header& header_;
  std::function<void(std::string_view)> tell_;
};

Report replay_on(const std::filesystem::path& folder, Header& header,
                 const std::function<void(std::string_view)>& tell) {
  Report report;
  Replay replay(report, header, tell);
  const auto run = [&](const char* file, void (Replay::*one)(const json&, const std::string&)) {
    return for_each_vector(folder / file, [&](const json& vector, const std::string& label) {
      (replay.*one)(vector, label);
    });
  };
  report.headers = run("headers.jsonl", &Replay::creation);
  report.opens = run("open.jsonl", &Replay::open);
  report.traces = run("traces.jsonl", &Replay::trace);
  return report;
}

}  // namespace

template <class Protocol>
Report replay(const std::filesystem::path& folder) {
  HeaderOf<Protocol> header;
  return replay_on(folder, header, [](std::string_view) {});
}

template Report replay<ReferenceProtocol>(const std::filesystem::path&);
template Report replay<HardenedProtocol>(const std::filesystem::path&);

Report replay(const std::filesystem::path& folder, const harness::Subject& subject,
              const harness::SubjectMemory& memory, harness::Doing& doing) {
  SubjectsHeader header(harness::SubjectHeader(subject, memory, doing));
  return replay_on(folder, header, [&](std::string_view what) { doing.during(what); });
}

}  // namespace fsqlshm::golden
