// The files of tools/report/templates and the paper's numbers, as the build has embedded them
// (tools/report/embed.cmake).
#pragma once
#include <string_view>

namespace md {

/// The bytes of a file, by its name: "report.html". Throws ErrorKind::contract where there is none.
std::string_view asset(std::string_view name);

}  // namespace md
