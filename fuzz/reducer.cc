#include "fuzz/reducer.h"

#include <algorithm>
#include <utility>

namespace fsqlshm::fuzz {
namespace {

class Reducer {
 public:
  Reducer(const Target& target, std::vector<std::uint8_t> input,
          const std::function<bool(Bytes)>& still_fails)
      : target_(target), best_(std::move(input)), still_fails_(still_fails) {}

  std::vector<std::uint8_t> run() {
    bool changed = true;
    while (changed) {
      changed = false;
      changed |= drop_records();
      changed |= cut_tail();
      changed |= reset_units();
    }
    return std::move(best_);
  }

 private:
  bool accept(std::vector<std::uint8_t> candidate) {
    if (target_.repair != nullptr) target_.repair(candidate);
    if (candidate == best_ || !still_fails_(candidate)) return false;
    best_ = std::move(candidate);
    return true;
  }

  bool drop_records() {
    if (target_.records.record_size == 0) return false;
    bool changed = false;
    const std::size_t head = target_.records.head_size;
    // Chunks of 8, 4, 2 and 1 records: long inputs get short quickly.
    for (std::size_t records = 8; records != 0; records /= 2) {
      const std::size_t chunk = records * target_.records.record_size;
      std::size_t offset = head;
      while (offset + chunk <= best_.size()) {
        std::vector<std::uint8_t> candidate = best_;
        const auto begin = candidate.begin() + static_cast<std::ptrdiff_t>(offset);
        candidate.erase(begin, begin + static_cast<std::ptrdiff_t>(chunk));
        if (accept(std::move(candidate))) {
          changed = true;
        } else {
          offset += target_.records.record_size;
        }
      }
    }
    return changed;
  }

  bool cut_tail() {
    bool changed = false;
    for (std::size_t cut = best_.size(); cut != 0; cut /= 2) {
      while (cut <= best_.size()) {
        std::vector<std::uint8_t> candidate = best_;
        candidate.resize(candidate.size() - cut);
        if (!accept(std::move(candidate))) break;
        changed = true;
      }
    }
    return changed;
  }

  bool reset_units() {
    bool changed = false;
    for (const Unit& unit : target_.units(best_)) {
      if (unit.offset + unit.plain.size() > best_.size()) continue;
      std::vector<std::uint8_t> candidate = best_;
      std::copy(unit.plain.begin(), unit.plain.end(),
                candidate.begin() + static_cast<std::ptrdiff_t>(unit.offset));
      if (candidate != best_) changed |= accept(std::move(candidate));
    }
    return changed;
  }

  const Target& target_;
  std::vector<std::uint8_t> best_;
  const std::function<bool(Bytes)>& still_fails_;
};

}  // namespace

std::vector<Unit> units_of(Bytes input, std::span<const Fields> head,
                           std::span<const Fields> record) {
  std::vector<Unit> units;
  std::size_t offset = 0;
  const auto add = [&](const std::string& part, std::span<const Fields> fields) {
    for (const auto& [name, size, count] : fields) {
      for (std::size_t i = 0; i < count; ++i, offset += size) {
        if (offset + size > input.size()) continue;
        units.push_back(
            {.name = part + std::string(name) + (count > 1 ? " " + std::to_string(i) : ""),
             .offset = offset,
             .plain = std::vector<std::uint8_t>(size)});
      }
    }
  };
  add("", head);
  for (std::size_t i = 0; !record.empty() && offset < input.size(); ++i) {
    add("record " + std::to_string(i) + ": ", record);
  }
  return units;
}

std::vector<std::uint8_t> reduce(const Target& target, std::vector<std::uint8_t> input,
                                 const std::function<bool(Bytes)>& still_fails) {
  return Reducer(target, std::move(input), still_fails).run();
}

}  // namespace fsqlshm::fuzz
