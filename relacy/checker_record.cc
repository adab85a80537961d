// What the checker keeps of steps and sites while executions run.

#include <algorithm>

#include "checker.h"

namespace fsqlshm::relacy {

void Checker::discover(const std::source_location& where, Op op, Field field,
                       std::memory_order order, std::memory_order failure) {
  const std::string_view file = source_name(where.file_name());
  if (file.starts_with("harness/")) return;  // the publication lock of scenarios
  const std::uint32_t bit = 1U << atomic_index(field);
  for (Site& site : sites_) {
    if (site.line == where.line() && site.op == op && site.file == file) {
      site.fields |= bit;
      return;
    }
  }
  if (sites_.size() == sites_.capacity()) fail(kBadScenario, "too many call sites to collect");
  sites_.push_back(
      {file, function_name(where.function_name()), where.line(), op, bit, order, failure});
}

Step* Checker::append(Op op) {
  if (steps_.size() == steps_.capacity()) return nullptr;
  Step& step = steps_.emplace_back();
  step.thread = phase_ == Phase::kBefore ? kAtFirst : phase_ == Phase::kAfter ? kAtLast : current();
  step.op = op;
  return &step;
}

void Checker::append(const Step& step) {
  Step* const row = append(step.op);
  if (row == nullptr) return;
  const int thread = row->thread;
  *row = step;
  row->thread = thread;
}

void Checker::remark(std::string_view text) {
  if (!recording()) return;
  Step* const step = append(Op::kNote);
  if (step == nullptr) return;
  const std::size_t size = std::min(text.size(), step->note.size() - 1);
  step->note[text.copy(step->note.data(), size)] = '\0';
}

}  // namespace fsqlshm::relacy
