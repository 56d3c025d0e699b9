// What makes a furnished room a lived-in one: windows, lamps, mirrors, doors and books, small things on furniture and
// floor (synth_clutter.h), and a surface of its own for each object. The furniture stays where it was.
#pragma once
#include "engine/rng.h"
#include "tools/synth/synth_worlds.h"

namespace md::synth {

/// Adds all of it to a room of Detail::basic.
void add_detail(World& room, Rng&);

}  // namespace md::synth
