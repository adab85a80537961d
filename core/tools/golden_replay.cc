#include "tools/golden_replay.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "fsqlshm/shared_memory_layout.h"

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

template <class Protocol>
class Replay {
 public:
  explicit Replay(Report& report) : compare_(report), report_(report) {}

  void header(const json& vector, const std::string& where) {
    const PageSize page_size = value_or_bad_vectors(
        PageSize::from_raw(parse_number<std::uint32_t>(vector.at("page_size"))));
    const Layout layout(page_size,
                        parse_number<std::uint32_t>(vector.at("requested_max_txn_slots")));
    const std::pair<const char*, json> derived[] = {
        {"max_txn_slots", layout.max_txn_slots()},
        {"lock_table_offset", layout.lock_table_offset()},
        {"witness_offset", layout.witness_offset()},
        {"txn_slot_offset", layout.txn_slot_offset()},
        {"committed_readers_offset", layout.committed_readers_offset()},
        {"committed_readers_bytes", layout.committed_readers_bytes()},
        {"layout_checksum", layout.layout_checksum()},
    };
    // One vector is one difference, however much of it differs.
    for (const auto& [name, found] : derived) {
      if (!compare_.same(where, name, found, vector.at(name))) return;
    }
    compare_.same_bytes(where, layout.to_bytes(), parse_header(vector.at("bytes")));
  }

  void open(const json& vector, const std::string& where) {
    const std::vector<std::byte> bytes = parse_hex(vector.at("bytes").get<std::string>());
    const auto layout = Layout::open(bytes);
    const std::string_view found = layout ? "ok" : to_string(layout.error().code());
    if (!compare_.same(where, "result", found, vector.at("result").get<std::string>())) return;
    if (layout) {
      compare_.same_bytes(where, layout->to_bytes(), parse_header(vector.at("reserialized")));
    }
  }

  void trace(const json& vector, const std::string& where) {
    Layout layout = value_or_bad_vectors(Layout::open(parse_header(vector.at("initial"))));
    std::size_t step = 0;
    for (const json& operation : vector.at("ops")) {
      const std::string what =
          fmt::format("{} step {}: {}{}", where, step++, operation.at("op").get<std::string>(),
                      operation.at("args").dump());
      const json found = run(layout, operation);
      ++report_.steps;
      // After a difference the rest of the trace says nothing new.
      if (!compare_.same(what, "return value", found, operation.at("ret"))) return;
      if (!compare_.same_bytes(what, layout.to_bytes(), parse_header(operation.at("bytes"))))
        return;
    }
    if (step == 0) throw BadVectors("a trace without operations");
  }

 private:
  using Layout = OwnedSharedMemoryLayout<Protocol>;

  static std::uint64_t number(const json& args, std::size_t i) {
    return parse_number<std::uint64_t>(args.at(i));
  }
  static json id_or_null(std::optional<TxnId> id) { return id ? json(id->get()) : json(); }

  // What a vector can call: its arguments, and the return value as the vectors write it.
  struct Operation {
    std::string_view name;
    std::size_t arguments;
    json (*run)(Layout& layout, const json& args);
  };
  static constexpr Operation kOperations[] = {
      {"begin_snapshot_publish", 0,
       [](Layout& layout, const json&) -> json {
         layout.begin_snapshot_publish();
         return nullptr;
       }},
      {"end_snapshot_publish", 0,
       [](Layout& layout, const json&) -> json {
         layout.end_snapshot_publish();
         return nullptr;
       }},
      {"publish_snapshot", 3,
       [](Layout& layout, const json& args) -> json {
         layout.publish_snapshot(CommitSeq(number(args, 0)), SchemaEpoch(number(args, 1)),
                                 number(args, 2));
         return nullptr;
       }},
      {"reconcile", 3,
       [](Layout& layout, const json& args) -> json {
         layout.reconcile(CommitSeq(number(args, 0)), SchemaEpoch(number(args, 1)),
                          number(args, 2));
         return nullptr;
       }},
      {"load_consistent_snapshot", 0,
       [](Layout& layout, const json&) -> json {
         // The vectors never load under an odd number, so one attempt must do.
         const auto snapshot = layout.try_load_consistent_snapshot(1);
         if (!snapshot) return "in progress";
         return {snapshot->commit_seq.get(), snapshot->schema_epoch.get(), snapshot->ecs_epoch};
       }},
      {"acquire_serialized_writer", 4,
       [](Layout& layout, const json& args) -> json {
         return layout.acquire_serialized_writer(parse_txn_id(args.at(0)),
                                                 parse_number<std::uint32_t>(args.at(1)),
                                                 number(args, 2), number(args, 3));
       }},
      {"release_serialized_writer", 1,
       [](Layout& layout, const json& args) -> json {
         return layout.release_serialized_writer(parse_txn_id(args.at(0)));
       }},
      {"check_serialized_writer", 0,
       [](Layout& layout, const json&) { return id_or_null(layout.check_serialized_writer()); }},
      {"check_serialized_writer_exclusion", 2,
       [](Layout& layout, const json& args) -> json {
         const bool alive = args.at(1).get<bool>();
         const Exclusion answer = layout.check_serialized_writer_exclusion(
             number(args, 0), [alive](std::uint32_t, std::uint64_t) { return alive; });
         return answer == Exclusion::kOk ? "ok" : "busy";
       }},
      {"alloc_txn_id", 0,
       [](Layout& layout, const json&) { return id_or_null(layout.alloc_txn_id()); }},
      {"store_gc_horizon", 1,
       [](Layout& layout, const json& args) -> json {
         layout.store_gc_horizon(CommitSeq(number(args, 0)));
         return nullptr;
       }},
  };

  static json run(Layout& layout, const json& operation) {
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
    return known->run(layout, args);
  }

  Comparison compare_;
  Report& report_;
};

}  // namespace

template <class Protocol>
Report replay(const std::filesystem::path& folder) {
  Report report;
  Replay<Protocol> replay(report);
  const auto run = [&](const char* file,
                       void (Replay<Protocol>::*one)(const json&, const std::string&)) {
    return for_each_vector(folder / file, [&](const json& vector, const std::string& label) {
      (replay.*one)(vector, label);
    });
  };
  report.headers = run("headers.jsonl", &Replay<Protocol>::header);
  report.opens = run("open.jsonl", &Replay<Protocol>::open);
  report.traces = run("traces.jsonl", &Replay<Protocol>::trace);
  return report;
}

template Report replay<ReferenceProtocol>(const std::filesystem::path&);
template Report replay<HardenedProtocol>(const std::filesystem::path&);

}  // namespace fsqlshm::golden
