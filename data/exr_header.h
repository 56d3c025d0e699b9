// The header of an OpenEXR file, walked before the library sees it: the library takes memory for what an attribute
// claims to have, and goes on wherever reading it ended. Internal to data/. Format: openexr.com, "OpenEXR File Layout".
#pragma once
#include <string>

#include "data/byte_source.h"

namespace md {

/// Throws ErrorKind::bad_data, naming the file, unless it has one part, which is not deep, and every attribute lies in
/// the file and has as many bytes as the library reads of its type.
void check_exr_header(const ByteSource&, const std::string& name);

}  // namespace md
