// One pass over the text; a section calls itself for each of its elements.
#include "tools/report/template.h"

#include <vector>

#include "engine/check.h"
#include "engine/text.h"

namespace md {
namespace {

using nlohmann::json;

/// A tag and where it stands: [begin, end) of the text.
struct Tag {
  char kind = 0;  // '#', '^', '/', '{' or 0: a name
  std::string name = {};
  std::size_t begin = 0, end = 0;
};

/// The next tag from `at` on; begin is the text's size where there is none.
Tag next_tag(std::string_view text, std::size_t at) {
  const std::size_t begin = text.find("{{", at);
  if (begin == text.npos) return {.begin = text.size(), .end = text.size()};
  const bool raw = text.substr(begin, 3) == "{{{";
  const std::string_view closing = raw ? "}}}" : "}}";
  const std::size_t inside = begin + closing.size(), close = text.find(closing, inside);
  MD_CHECK(close != text.npos, "template: ", text.substr(begin, 20), " does not close");
  std::string name(text.substr(inside, close - inside));
  char kind = raw ? '{' : 0;
  if (!raw && !name.empty() && (name[0] == '#' || name[0] == '^' || name[0] == '/')) {
    kind = name[0];
    name.erase(0, 1);
  }
  return {.kind = kind, .name = name, .begin = begin, .end = close + closing.size()};
}

class Filler {
 public:
  explicit Filler(const json& values) : scopes_{&values} {}

  /// Fills [at, end of its section) and returns where the section's closing tag ends.
  std::size_t fill(std::string_view text, std::size_t at, const std::string& section, bool shown) {
    for (;;) {
      const Tag tag = next_tag(text, at);
      if (shown) out_ += text.substr(at, tag.begin - at);
      at = tag.end;
      if (tag.begin == text.size()) {
        MD_CHECK(section.empty(), "template: section ", section, " does not close");
        return at;
      }
      if (tag.kind == '/') {
        MD_CHECK(tag.name == section, "template: {{/", tag.name, "}} closes ", section.empty() ? "nothing" : section);
        return at;
      }
      if (tag.kind == '#' || tag.kind == '^') {
        at = fill_section(text, tag, shown);
      } else if (shown) {
        const std::string value = text_of(tag.name);
        out_ += tag.kind == '{' ? value : escape_html(value);
      }
    }
  }

  std::string take() { return std::move(out_); }

 private:
  std::size_t fill_section(std::string_view text, const Tag& tag, bool shown) {
    const json* const value = find(tag.name);
    const bool there = value && !is_nothing(*value);
    if (tag.kind == '^') return fill(text, tag.end, tag.name, shown && !there);
    if (!shown || !there) return fill(text, tag.end, tag.name, false);
    if (!value->is_array()) return fill_within(text, tag, *value);
    std::size_t end = tag.end;
    for (const json& each : *value) end = fill_within(text, tag, each);
    return end;
  }

  std::size_t fill_within(std::string_view text, const Tag& tag, const json& scope) {
    scopes_.push_back(&scope);
    const std::size_t end = fill(text, tag.end, tag.name, true);
    scopes_.pop_back();
    return end;
  }

  static bool is_nothing(const json& value) {
    return value.is_null() || value == false || (value.is_string() && value.get_ref<const std::string&>().empty()) ||
           (value.is_structured() && value.empty());
  }

  const json* find(const std::string& name) const {
    if (name == ".") return scopes_.back();
    for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
      if (!(*scope)->is_object()) continue;
      if (const auto found = (*scope)->find(name); found != (*scope)->end()) return &*found;
    }
    return nullptr;
  }

  std::string text_of(const std::string& name) const {
    const json* const value = find(name);
    MD_CHECK(value, "template: no value for ", name);
    if (value->is_string()) return value->get<std::string>();
    return value->is_number_float() ? shortest(value->get<double>()) : value->dump();
  }

  std::vector<const json*> scopes_;  // innermost last
  std::string out_;
};

}  // namespace

std::string fill_template(std::string_view text, const json& values) {
  Filler filler(values);
  filler.fill(text, 0, "", true);
  return filler.take();
}

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      case '\'':
        escaped += "&#39;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

}  // namespace md
