// Records by name: what the registries of networks and of data sets are.
#pragma once
#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace md {

/// A Record has a `name`. Walked in the order in which they were added; references to records last. Not to be added to
/// while other threads read.
template <class Record>
class Records {
 public:
  /// Takes the place of an earlier one of the same name.
  void add(Record record) {
    const auto known = std::ranges::find(all_, record.name, &Record::name);
    if (known != all_.end()) {
      *known = std::move(record);
    } else {
      all_.push_back(std::move(record));
    }
  }
  /// Null where there is none of that name.
  const Record* find(const std::string& name) const {
    const auto found = std::ranges::find(all_, name, &Record::name);
    return found == all_.end() ? nullptr : &*found;
  }
  /// Those of the records for which `holds`.
  template <class Holds>
  std::vector<std::string> names_where(const Holds& holds) const {
    std::vector<std::string> names;
    for (const Record& record : all_) {
      if (holds(record)) names.push_back(record.name);
    }
    return names;
  }
  /// Of all of them.
  std::vector<std::string> names() const {
    return names_where([](const Record&) { return true; });
  }
  auto begin() const { return all_.begin(); }  // to walk all records
  auto end() const { return all_.end(); }

 private:
  std::deque<Record> all_;
};

}  // namespace md
