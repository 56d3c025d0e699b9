// Words between separators, and words put together to names with blanks.
#include "data/list_columns.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <string>

#include "engine/text.h"

namespace md {
namespace {

constexpr std::string_view kBlanks = " \t\r";
constexpr std::size_t kMostWordsToJoin = 24;  // 277 ways for three columns

/// What stands between separators.
struct Word {
  std::string_view text;  // without quotes
  bool quoted = false;
};
using Words = std::vector<Word>;

bool is_one_of(char c, std::string_view set) { return set.find(c) != set.npos; }

/// The text in quotes at the beginning of `text`; nothing where no quote ends a column.
std::optional<std::string_view> quoted_text(std::string_view text, std::string_view separators) {
  if (text.empty() || (text.front() != '"' && text.front() != '\'')) return std::nullopt;
  for (auto end = text.find(text.front(), 1); end != text.npos; end = text.find(text.front(), end + 1)) {
    const bool ends_column =
        end + 1 == text.size() || is_one_of(text[end + 1], separators) || is_one_of(text[end + 1], kBlanks);
    if (ends_column) return text.substr(1, end - 1);
  }
  return std::nullopt;
}

Words split(std::string_view line, std::string_view separators) {
  Words words;
  const std::string between = std::string(separators) + std::string(kBlanks);
  for (auto begin = line.find_first_not_of(between); begin != line.npos;) {
    if (const auto quoted = quoted_text(line.substr(begin), separators)) {
      words.push_back({*quoted, true});
      begin += quoted->size() + 2;
    } else {
      const auto end = std::min(line.find_first_of(separators, begin), line.size());
      const std::string_view text = line.substr(begin, end - begin);
      words.push_back({text.substr(0, text.find_last_not_of(kBlanks) + 1)});
      begin = end;
    }
    begin = line.find_first_not_of(between, begin);
  }
  return words;
}

bool ends_as_a_file(std::string_view text) {
  constexpr std::array endings = {"jpg",  "jpeg", "png",  "npy", "npz", "exr", "pfm", "webp",
                                  "heic", "tif",  "tiff", "bmp", "ppm", "pgm", "h5",  "hdf5"};
  const auto dot = text.rfind('.');
  if (dot == text.npos) return false;
  return std::ranges::find(endings, lower(std::string(text.substr(dot + 1)))) != endings.end();
}

/// "a.jpg,b.png" are two.
bool is_one_file(const Word& word) {
  if (word.quoted) return true;
  for (std::size_t i = 0; i < word.text.size(); ++i) {
    if (is_one_of(word.text[i], ", \t") && ends_as_a_file(word.text.substr(0, i))) return false;
  }
  return ends_as_a_file(word.text);
}

/// Whether a column may be a name, and so have blanks in it.
bool is_path(ListColumn column) { return column != ListColumn::skip && column != ListColumn::time; }

bool can_be(ListColumn column, const Word& word) {
  switch (column) {
    case ListColumn::skip:
      return true;
    case ListColumn::time:
      return number_of(word.text).has_value();
    case ListColumn::image:
      return is_one_file(word);
    case ListColumn::depth:
      return is_one_file(word) || word.text == "None";
    case ListColumn::focal:
      return is_one_file(word) || number_of(word.text);
  }
  return false;
}

bool is_sure(const Words& words, const ListColumns& layout) {
  if (words.size() > layout.size()) return false;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (!can_be(layout[i], words[i])) return false;
  }
  return std::count(layout.begin(), layout.begin() + std::ptrdiff_t(words.size()), ListColumn::image) > 0;
}

LineCut cut(const Words& words, const ListColumns& layout) {
  LineCut made{.layout = layout, .columns = {}, .sure = is_sure(words, layout)};
  for (const Word& word : words) made.columns.push_back(word.text);
  return made;
}

Word joined(const Words& words, std::size_t first, std::size_t last) {
  const char* const begin = words[first].text.data();
  return {std::string_view(begin, std::size_t(words[last].text.data() + words[last].text.size() - begin)),
          first == last && words[first].quoted};
}

/// Each path goes on until a word ends as a file; nothing where that does not come out even.
std::optional<Words> up_to_each_ending(const Words& words, const ListColumns& layout) {
  Words columns;
  std::size_t next = 0;
  for (const ListColumn column : layout) {
    if (next == words.size()) break;
    const bool alone = words[next].quoted || !is_path(column) ||
                       (column == ListColumn::depth && words[next].text == "None") ||
                       (column == ListColumn::focal && number_of(words[next].text));
    std::size_t last = next;
    while (!alone && !ends_as_a_file(words[last].text)) {
      if (++last == words.size() || words[last].quoted) return std::nullopt;
    }
    columns.push_back(joined(words, next, last));
    next = last + 1;
  }
  return next == words.size() ? std::optional(columns) : std::nullopt;
}

/// Every way to put neighbours together, `taken` of the columns being made.
void join_all(const Words& words, std::size_t next, const ListColumns& layout, Words& taken,
              std::vector<LineCut>& cuts) {
  if (next == words.size()) {
    LineCut made = cut(taken, layout);
    made.sure = false;
    made.guess = true;
    if (taken.size() < words.size()) cuts.push_back(std::move(made));
    return;
  }
  if (taken.size() == layout.size()) return;
  const bool one_word = !is_path(layout[taken.size()]) || words[next].quoted;
  for (std::size_t last = next; last < words.size(); ++last) {
    if (last > next && (one_word || words[last].quoted)) return;
    taken.push_back(joined(words, next, last));
    join_all(words, last + 1, layout, taken, cuts);
    taken.pop_back();
  }
}

bool is_of_depth(std::string_view path) { return path.find("depth") != path.npos; }

/// TIME FILE TIME FILE: the order is that of associate.py's arguments, and only the names tell.
ListColumns association_of(const Words& words) {
  ListColumns layout = kAssociation;
  if (words.size() > 3 && is_of_depth(words[1].text) && !is_of_depth(words[3].text)) std::swap(layout[1], layout[3]);
  return layout;
}

}  // namespace

std::optional<double> number_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<LineCut> cuts_of(std::string_view line, const ListColumns& layout) {
  const Words words = split(line, kBlanks);
  std::vector<LineCut> cuts;
  if (words.empty()) return cuts;
  const auto add = [&](const Words& columns, const ListColumns& what) {
    LineCut made = cut(columns, what);
    made.guess = !made.sure;
    if (std::ranges::find(cuts, made) == cuts.end()) cuts.push_back(std::move(made));
  };
  cuts.push_back(cut(words, layout));
  if (cuts.front().sure) return cuts;
  std::vector<ListColumns> layouts = {layout};
  if (layout == kUsualColumns) layouts.insert(layouts.begin(), association_of(words));
  for (const ListColumns& each : layouts) {
    add(words, each);
    for (const std::string_view separator : {"\t", ","}) {
      if (line.find(separator) != line.npos) add(split(line, separator), each);
    }
    if (const auto columns = up_to_each_ending(words, each)) add(*columns, each);
  }
  Words none;
  if (words.size() <= kMostWordsToJoin) join_all(words, 0, layout, none, cuts);
  return cuts;
}

}  // namespace md
