// Who reads what a program shows.
#pragma once

namespace md {

/// Whether stdout and stderr are both a terminal: a person reads what a script would have to skip.
bool on_terminal();

}  // namespace md
