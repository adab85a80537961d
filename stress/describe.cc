#include "stress/describe.h"

#include <fmt/format.h>

#include "fsqlshm/hardened/writer_indicator.h"
#include "fsqlshm/writer_words.h"
#include "harness/describe.h"

namespace fsqlshm::stress {

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
  const std::uint64_t pid_and_gen = word_at(bytes, Field::kSerializedWriterPidAndGen);
  report.generation = generation_of(pid_and_gen);
  report.lease_expiry = word_at(bytes, Field::kSerializedWriterLeaseExpiry);
  if (report.lease_expiry != 0) {
    report.lease_left = static_cast<std::int64_t>(report.lease_expiry - now_epoch_secs);
  }
  const WriterWords words = {pid_and_gen, word_at(bytes, Field::kSerializedWriterPidBirth),
                             report.lease_expiry};
  report.process = {pid_of(pid_and_gen), words.birth};
  switch (hardened::writer_tag(state)) {
    case hardened::WriterTag::kClaiming:
    case hardened::WriterTag::kCleaning:
      report.state = hardened::writer_tag(state) == hardened::WriterTag::kClaiming
                         ? WriterState::kClaiming
                         : WriterState::kCleaning;
      report.process = hardened::process_of(state);
      report.alive = process_alive(report.process.pid, report.process.birth);
      report.stale = !report.alive;
      return report;
    case hardened::WriterTag::kUnused:
      report.state = WriterState::kUnknown;
      break;
    case hardened::WriterTag::kFreeOrOwned:
      report.state = state == 0 ? WriterState::kFree : WriterState::kOwned;
      report.id = state;
      break;
  }
  report.alive = process_alive(report.process.pid, report.process.birth);
  report.stale = state != 0 && words.stale(now_epoch_secs, process_alive);
  return report;
}

std::string_view to_string(WriterState state) {
  switch (state) {
    case WriterState::kFree:
      return "free";
    case WriterState::kOwned:
      return "owned";
    case WriterState::kClaiming:
      return "claiming";
    case WriterState::kCleaning:
      return "cleaning";
    case WriterState::kUnknown:
      return "unknown";
  }
  return "unknown";
}

std::string writer_text(const WriterReport& report) {
  const std::string who =
      report.process.pid == 0
          ? std::string("a process that is not named")
          : fmt::format("process {} ({})", report.process.pid, report.alive ? "alive" : "dead");
  switch (report.state) {
    case WriterState::kFree:
      return "no serialized writer";
    case WriterState::kClaiming:
      return fmt::format("{} is about to become the serialized writer", who);
    case WriterState::kCleaning:
      return fmt::format("{} is clearing the serialized writer", who);
    case WriterState::kUnknown:
    case WriterState::kOwned:
      break;
  }
  std::string text =
      report.state == WriterState::kOwned
          ? fmt::format("transaction {} of {} is the serialized writer", report.id, who)
          : fmt::format("an unknown state word, with the words of {}", who);
  if (report.lease_expiry == 0) {
    text += ", without a lease";
  } else if (report.lease_left > 0) {
    text += fmt::format(", lease left: {} s", report.lease_left);
  } else {
    text += fmt::format(", its lease ran out {} s ago", -report.lease_left);
  }
  return text + (report.stale ? "; the next check clears it" : "");
}

}  // namespace fsqlshm::stress
