// LruCache: values that are dear to make, by key. Beyond `most` of them, the one that was used longest ago goes when
// another is made. Not thread-safe.
#pragma once
#include <cstddef>
#include <list>
#include <map>

namespace md {

/// Key needs operator<.
template <class Key, class Value>
class LruCache {
 public:
  explicit LruCache(std::size_t most) : most_(most) {}  // values, at least one

  /// The value of the key, from make() where there is none; holds until the next call. If make() throws, nothing
  /// changes.
  template <class Make>
  Value& find_or_make(const Key& key, const Make& make) {
    const auto found = places_.find(key);
    if (found != places_.end()) {
      values_.splice(values_.begin(), values_, found->second);
      return used(values_.front());
    }
    std::list<Entry> fresh;
    fresh.push_front({key, make()});
    places_.emplace(key, fresh.begin());
    values_.splice(values_.begin(), fresh);
    ++made_;
    if (places_.size() > most_) forget_last();
    return used(values_.front());
  }

  /// Between two pieces of work: of the values that the work since the last call did not use, the ones that were used
  /// longest ago go, as far as there are more than `most` values. Whether any went.
  bool keep_at_most(std::size_t most) {
    const std::size_t before = places_.size();
    while (places_.size() > most && values_.back().last_used != piece_) forget_last();
    ++piece_;
    return places_.size() < before;
  }

  /// Calls visit(key, value) for each, the last used one first.
  template <class Visit>
  void for_each(const Visit& visit) const {
    for (const Entry& entry : values_) visit(entry.key, entry.value);
  }
  void clear() {
    places_.clear();
    values_.clear();
  }

  /// The next new value makes an old one go.
  bool full() const { return places_.size() >= most_; }
  std::size_t size() const { return places_.size(); }
  std::size_t made() const { return made_; }  // ever

 private:
  struct Entry {
    Key key;
    Value value;
    std::size_t last_used = 0;  // in which piece of work
  };

  Value& used(Entry& entry) {
    entry.last_used = piece_;
    return entry.value;
  }

  void forget_last() {
    places_.erase(values_.back().key);
    values_.pop_back();
  }

  std::size_t most_, made_ = 0, piece_ = 0;
  std::list<Entry> values_;  // the last used one first
  std::map<Key, typename std::list<Entry>::iterator> places_;
};

}  // namespace md
