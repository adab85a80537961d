#include "stress/describe.h"

#include <fmt/format.h>

#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/writer_words.h"
#include "harness/describe.h"

namespace fsqlshm::stress {

using hardened::WriterTag;
using harness::word_at;

nlohmann::json header_fields(const HeaderBytes& bytes) {
  nlohmann::json fields = nlohmann::json::array();
  for (const FieldSpan& field : kFields) {
    nlohmann::json entry = {{"name", field.name},
                            {"offset", field.offset},
                            {"size", field.size},
                            {"hex", harness::field_hex(bytes, field)}};
    if (const auto value = harness::field_value(bytes, field)) entry["value"] = *value;
    fields.push_back(std::move(entry));
  }
  return fields;
}

namespace {

// In which unit a lease ends at a time that makes sense, and the second in which it ends.
struct LeaseTime {
  std::string_view unit;
  std::uint64_t ends = 0;
};
LeaseTime lease_time(std::uint64_t lease, std::uint64_t now_epoch_secs) {
  if (lease <= kMaxLease) return {"s", lease};
  constexpr std::uint64_t kTenYears = std::uint64_t{10} * 366 * 24 * 3600;
  std::uint64_t factor = 1;
  for (const std::string_view unit : {"ms", "us", "ns"}) {
    factor *= 1000;
    const std::uint64_t ends = lease / factor;
    if (ends + kTenYears > now_epoch_secs && ends < now_epoch_secs + kTenYears) return {unit, ends};
  }
  return {"?"};
}

}  // namespace

WriterReport writer_report(const HeaderBytes& bytes, std::uint64_t now_epoch_secs,
                           const Liveness& liveness) {
  WriterReport report;
  const std::uint64_t state = word_at(bytes, Field::kSerializedWriterTxnId);
  const WriterWords words = {word_at(bytes, Field::kSerializedWriterPidAndGen),
                             word_at(bytes, Field::kSerializedWriterPidBirth),
                             word_at(bytes, Field::kSerializedWriterLeaseExpiry)};
  report.generation = generation_of(words.pid_and_gen);
  report.lease_expiry = words.lease_expiry;
  const LeaseTime lease = lease_time(words.lease_expiry, now_epoch_secs);
  report.lease_unit = lease.unit;
  if (words.lease_expiry != 0 && lease.unit != "?") {
    report.lease_left =
        static_cast<std::int64_t>(lease.ends) - static_cast<std::int64_t>(now_epoch_secs);
  }
  const WriterTag tag = hardened::writer_tag(state);
  const bool busy = tag == WriterTag::kClaiming || tag == WriterTag::kCleaning;
  report.process =
      busy ? hardened::process_of(state) : ProcessIdentity{pid_of(words.pid_and_gen), words.birth};
  const auto [pid, birth] = report.process;
  if (pid != 0 && birth != 0) report.alive = liveness(pid, birth);
  const bool dead = report.alive == false;
  if (busy) {
    report.state = tag == WriterTag::kClaiming ? "claiming" : "cleaning";
    report.stale = dead;
  } else {
    // A death is certain, so it counts before the lease does.
    report.stale =
        state != 0 && (dead || (words.lease_expiry != 0 && now_epoch_secs >= words.lease_expiry));
    report.state = tag == WriterTag::kUnused ? "unknown" : (state == 0 ? "free" : "owned");
    if (tag == WriterTag::kFreeOrOwned) report.id = state;
  }
  return report;
}

namespace {

std::string lease_text(const WriterReport& report) {
  if (report.lease_expiry == 0) return ", without a lease";
  if (report.lease_unit == "?") {
    return fmt::format(", with a lease until {}, which is no time in any unit: it never runs out",
                       report.lease_expiry);
  }
  std::string text = report.lease_left > 0
                         ? fmt::format(", lease left: {} s", report.lease_left)
                         : fmt::format(", its lease ran out {} s ago", -report.lease_left);
  if (report.lease_unit != "s") {
    text += fmt::format(" if it is in {}; it should be in seconds, and as such never runs out",
                        report.lease_unit);
  }
  return text;
}

}  // namespace

std::string WriterReport::text() const {
  const char* const lives = !alive   ? "it cannot be told whether it lives"
                            : *alive ? "alive"
                                     : "dead";
  const std::string who = process.pid == 0 ? std::string("a process that is not named")
                                           : fmt::format("process {} ({})", process.pid, lives);
  if (state == "free") return "no serialized writer";
  const std::string end = stale ? "; the next check clears it" : "";
  if (state == "claiming") return who + " is about to become the serialized writer" + end;
  if (state == "cleaning") return who + " is clearing the serialized writer" + end;
  return (state == "owned" ? fmt::format("transaction {} of {} is the serialized writer", id, who)
                           : fmt::format("an unknown state word, with the words of {}", who)) +
         lease_text(*this) + end;
}

}  // namespace fsqlshm::stress
