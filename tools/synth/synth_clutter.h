// Small things as lie about in rooms: books, mugs, bottles, fruit, plants, shoes, bins, toys.
#pragma once
#include "engine/rng.h"
#include "tools/synth/synth_scene.h"

namespace md::synth {

/// One thing, up to 0.4 m tall and 0.15 m from its middle, standing at `foot`: as it stands on tables and boards.
void add_small_thing(Shapes&, Rng&, const Vec3& foot);
/// One thing as it stands on floors, up to 1.2 m tall and 0.3 m from its middle.
void add_floor_thing(Shapes&, Rng&, const Vec3& foot);
/// A row of books that stand, `width_m` long along the x axis of a piece turned by `yaw`, their foot's middle at
/// `foot`.
void add_books(Shapes&, Rng&, const Vec3& foot, double yaw, double width_m);

}  // namespace md::synth
