#include "stress/aftermath.h"

#include "harness/describe.h"
#include "stress/describe.h"

namespace fsqlshm::stress {
namespace {

template <class File>
bool judge_publication(const File& file, ControlBlock& control, RunFindings& findings) {
  bool reconciled = false;
  if (auto guard = file.try_lock_publication(); !guard || !*guard) {
    findings.add_with_context("publication lock",
                              "the lock outlived every process that could hold it");
  } else if ((*guard)->needs_reconcile()) {
    reconciled = true;
    const std::uint64_t n = control.snapshot.next();
    control.snapshot.begin_write(n);
    const ShmSnapshot triple = triple_of(n);
    (*guard)->reconcile(triple.commit_seq, triple.schema_epoch, triple.ecs_epoch);
    control.snapshot.end_write(n);
  }
  const std::uint64_t low = control.snapshot.begin_read();
  const auto snapshot = file.layout().try_load_consistent_snapshot(10);
  if (!snapshot || !whole(*snapshot) ||
      control.snapshot.end_read(low, snapshot->commit_seq.get()) != ReadVerdict::kGood) {
    findings.add_with_context("snapshot integrity", "no right snapshot after the run");
  }
  return reconciled;
}

template <class File>
void judge_indicator(const File& file, const ControlBlock& control, RunFindings& findings) {
  auto layout = file.layout();
  const std::uint64_t later = control.clock.at(now_ns()) + 1000;  // every lease is over
  if (layout.check_serialized_writer_exclusion(later, process_alive) != Exclusion::kOk) {
    findings.add_with_context("P4 crash", "a process that died locked every writer out",
                              writer_text(writer_report(file.header_bytes(), later)), "D2");
    return;
  }
  const HeaderBytes bytes = file.header_bytes();
  for (const Field field :
       {Field::kSerializedWriterTxnId, Field::kSerializedWriterPidAndGen,
        Field::kSerializedWriterPidBirth, Field::kSerializedWriterLeaseExpiry}) {
    if (harness::word_at(bytes, field) == 0) continue;
    findings.add_with_context("P3 quiescence",
                              "no thread holds the indicator, but its words are not zero",
                              std::string(field_name(field)), "D3");
    return;
  }
  const ProcessIdentity self = this_process();
  const auto id = TxnId::from_raw(TxnId::kMaxRaw);
  if (!layout.acquire_serialized_writer(*id, self.pid, self.birth, 0) ||
      !layout.release_serialized_writer(*id)) {
    findings.add_with_context("P4 crash", "the indicator cannot be used after the run");
  }
}

template <class Protocol>
bool judge(const WorkerConfig& config, ControlBlock& control, RunFindings& findings) {
  const auto file = BasicShmFile<Protocol>::open(config.file);
  if (!file) {
    findings.add_with_context("file", "the file cannot be opened any more", file.error().message());
    return false;
  }
  const bool reconciled = judge_publication(*file, control, findings);
  judge_indicator(*file, control, findings);
  for (const ShmError& error : validate(file->header_bytes())) {
    if (error == ShmErrorCode::kWriterLeftovers) continue;  // said above
    findings.add_with_context("valid header", "validate rejects the header after recovery",
                              error.message());
  }
  return reconciled;
}

}  // namespace

bool judge_aftermath(const WorkerConfig& config, ControlBlock& control, RunFindings& findings) {
  return config.reference ? judge<ReferenceProtocol>(config, control, findings)
                          : judge<HardenedProtocol>(config, control, findings);
}

}  // namespace fsqlshm::stress
