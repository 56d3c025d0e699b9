// LruCache: values that are dear to make, by key. Beyond `most` of them, the one that was used longest ago goes when
// another is made. Not thread-safe.
#pragma once
#include <cstddef>
#include <list>
#include <map>
#include <utility>

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
      return values_.front().second;
    }
    std::list<std::pair<Key, Value>> fresh;
    fresh.emplace_front(key, make());
    places_.emplace(key, fresh.begin());
    values_.splice(values_.begin(), fresh);
    ++made_;
    if (places_.size() > most_) {
      places_.erase(values_.back().first);
      values_.pop_back();
    }
    return values_.front().second;
  }

  /// The next new value makes an old one go.
  bool full() const { return places_.size() >= most_; }
  std::size_t size() const { return places_.size(); }
  std::size_t made() const { return made_; }  // ever

 private:
  std::size_t most_, made_ = 0;
  std::list<std::pair<Key, Value>> values_;  // the last used one first
  std::map<Key, typename std::list<std::pair<Key, Value>>::iterator> places_;
};

}  // namespace md
