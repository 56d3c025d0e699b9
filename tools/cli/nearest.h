// Which name was meant.
#pragma once
#include <string>
#include <vector>

namespace md {

/// Of `names`, the one that `word` was probably meant to be: the fewest letters differ, and not more than a third of
/// them (or two). Empty where none is that near.
std::string nearest(const std::string& word, const std::vector<std::string>& names);

}  // namespace md
