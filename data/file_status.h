// What stands at a path, without std::filesystem's exceptions: those name an internal call, not the user's file.
#pragma once
#include <filesystem>
#include <string>

namespace md {

/// Follows links. "Not there" is an answer; a place that cannot even be looked at (a link to itself, a name too long, a
/// folder that may not be entered) throws ErrorKind::missing, naming it and the reason.
std::filesystem::file_status status_of(const std::filesystem::path&);

}  // namespace md
