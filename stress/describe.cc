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

WriterReport writer_report(const HeaderBytes& bytes, std::uint64_t now_epoch_secs) {
  WriterReport report;
  const std::uint64_t state = word_at(bytes, Field::kSerializedWriterTxnId);
  const WriterWords words = {word_at(bytes, Field::kSerializedWriterPidAndGen),
                             word_at(bytes, Field::kSerializedWriterPidBirth),
                             word_at(bytes, Field::kSerializedWriterLeaseExpiry)};
  report.generation = generation_of(words.pid_and_gen);
  report.lease_expiry = words.lease_expiry;
  if (words.lease_expiry != 0) {
    report.lease_left = static_cast<std::int64_t>(words.lease_expiry - now_epoch_secs);
  }
  const WriterTag tag = hardened::writer_tag(state);
  const bool busy = tag == WriterTag::kClaiming || tag == WriterTag::kCleaning;
  report.process =
      busy ? hardened::process_of(state) : ProcessIdentity{pid_of(words.pid_and_gen), words.birth};
  report.alive = process_alive(report.process.pid, report.process.birth);
  if (busy) {
    report.state = tag == WriterTag::kClaiming ? "claiming" : "cleaning";
    report.stale = !report.alive;
  } else {
    report.stale = state != 0 && words.stale(now_epoch_secs, process_alive);
    report.state = tag == WriterTag::kUnused ? "unknown" : (state == 0 ? "free" : "owned");
    if (tag == WriterTag::kFreeOrOwned) report.id = state;
  }
  return report;
}

std::string WriterReport::text() const {
  const std::string who =
      process.pid == 0 ? std::string("a process that is not named")
                       : fmt::format("process {} ({})", process.pid, alive ? "alive" : "dead");
  if (state == "free") return "no serialized writer";
  if (state == "claiming") return who + " is about to become the serialized writer";
  if (state == "cleaning") return who + " is clearing the serialized writer";
  std::string text = state == "owned"
                         ? fmt::format("transaction {} of {} is the serialized writer", id, who)
                         : fmt::format("an unknown state word, with the words of {}", who);
  if (lease_expiry == 0) {
    text += ", without a lease";
  } else if (lease_left > 0) {
    text += fmt::format(", lease left: {} s", lease_left);
  } else {
    text += fmt::format(", its lease ran out {} s ago", -lease_left);
  }
  return text + (stale ? "; the next check clears it" : "");
}

}  // namespace fsqlshm::stress
