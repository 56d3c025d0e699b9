// Asked of the streams themselves.
#include "tools/cli/terminal.h"

#include <unistd.h>

namespace md {

bool on_terminal() { return isatty(STDOUT_FILENO) != 0 && isatty(STDERR_FILENO) != 0; }

}  // namespace md
