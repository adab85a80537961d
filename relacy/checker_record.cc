// What the checker keeps of steps and sites while executions run.

#include <algorithm>

#include "checker.h"

namespace fsqlshm::relacy {

std::string_view function_name(std::string_view signature) noexcept {
  const std::string_view name = signature.substr(0, signature.find('('));
  const std::size_t start = name.find_last_of(": ");
  return start == std::string_view::npos ? name : name.substr(start + 1);
}

void Checker::weaken(const std::source_location& where, Op op, Field field,
                     std::memory_order& order, std::memory_order& failure) {
  const Weakening& weak = *weakening_;
  std::memory_order& present = weak.failure ? failure : order;
  const Site& site = weak.site;
  if (site.op != op || weak.from() != present || (site.fields >> atomic_index(field) & 1U) == 0 ||
      source_name(where.file_name()) != site.file ||
      function_name(where.function_name()) != site.function) {
    return;
  }
  // A function comes by its operations in their order, so the first that ran are the first in it.
  const auto line = std::ranges::find_if(
      weakened_lines_, [&](unsigned known) { return known == where.line() || known == 0; });
  if (line == weakened_lines_.end()) return;
  *line = where.line();
  if (line - weakened_lines_.begin() == site.earlier) present = weak.to;
}

void Checker::discover(const std::source_location& where, Op op, Field field,
                       std::memory_order order, std::memory_order failure) {
  const std::string_view file = source_name(where.file_name());
  if (file.starts_with("relacy/")) return;  // the publication lock of scenarios
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
