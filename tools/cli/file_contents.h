// Small text files that an option names, read whole.
#pragma once
#include <string>

namespace md {

/// Throws ErrorKind::missing or ErrorKind::bad_data with the path.
std::string contents_of(const std::string& path);

}  // namespace md
