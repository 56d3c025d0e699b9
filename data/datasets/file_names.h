// What the records of data sets share: names made of names, and focal lengths in files.
#pragma once
#include <string>

namespace md {

/// `text` with every `from` as `to`.
std::string replace_all(std::string text, const std::string& from, const std::string& to);

/// Whether `part` is anywhere in `text`.
bool contains(const std::string& text, const std::string& part);

/// `name` with `to` for its ending `from`; "" where it ends otherwise.
std::string with_ending(const std::string& name, const std::string& from, const std::string& to);

/// The first number after the word `key` of a file ("": of the file), in pixels; 0 where the file is not there. Throws,
/// naming it, ErrorKind::bad_data where that is no focal length.
double focal_of_file(const std::string& file, const std::string& key = "");

}  // namespace md
