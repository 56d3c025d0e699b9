// Small text files that an option names, read whole.
#pragma once
#include <string>

namespace md {

/// Throws Exit::missing_input or Exit::bad_data with the path.
std::string contents_of(const std::string& path);

}  // namespace md
