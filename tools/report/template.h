// Templates as files, filled from JSON: the part of Mustache that the report needs. {{name}} is escaped for HTML,
// {{{name}}} is not; {{#name}} ... {{/name}} stands once for each element of a list, once for a value that is there,
// and not at all for one that is missing, null, false, "" or empty; {{^name}} ... {{/name}} the other way round. {{.}}
// is the element itself. A name is looked for in the innermost section first. Source: mustache(5).
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace md {

/// The template with the values in their places. Throws ErrorKind::contract, naming the tag, for one that does not
/// close or is not open, and for a value that is asked for and not there.
std::string fill_template(std::string_view text, const nlohmann::json& values);

/// Text as HTML shows it, in elements and in quoted attributes.
std::string escape_html(std::string_view text);

}  // namespace md
