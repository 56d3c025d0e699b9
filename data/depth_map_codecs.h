// One format each, from a file or from memory. Internal to data/: callers use depth_map.h. `name` stands for the file
// in messages; what is wrong is ErrorKind::bad_data.
#pragma once
#include <string>

#include "data/byte_source.h"
#include "data/byte_stream.h"
#include "data/depth_map.h"

namespace md {

/// read_depth_map() of bytes that are a file named `name`.
FloatMap decode_depth_map(const ByteSource&, const std::string& name);

/// NumPy's format 1.0 to 3.0: floats of 2, 4 or 8 bytes, integers of 1 to 8, bool, in either byte order, in C's or
/// Fortran's order. Axes of one element before or after [H,W] are dropped. Truncated data or more of them are an error.
FloatMap decode_npy(ByteStream&, const std::string& name);

/// A zip archive (stored or deflated, checksums are strict) of arrays as decode_npy reads them: its only one, or the
/// one that is named depth, pred or arr_0.
FloatMap decode_npz(const ByteSource&, const std::string& name);

/// Grey ("Pf"), in either byte order, rows from the bottom up. The size of the scale is not applied: Middlebury's own
/// reader, MiDaS and RAFT-Stereo take no more from it than the byte order.
FloatMap decode_pfm(const ByteSource&, const std::string& name);

/// One part, not deep. The map is the channel Z or depth (of a layer, too), or the only one besides alpha, or Y without
/// chroma, or R where R, G and B are equal. It has the size of the display window: pixels outside the data window are
/// NaN, what lies outside the display window is cut. A build without OpenEXR says how to convert the file.
FloatMap decode_exr(const ByteSource&, const std::string& name);

/// Throws, naming the file, unless a map of this size may be read.
void check_map_size(std::uint64_t width, std::uint64_t height, const std::string& name);

}  // namespace md
