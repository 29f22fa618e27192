// The functions are all in the header, inlined into Swift; a C target needs one source file.
#include "CCacheLine.h"

_Static_assert(sizeof(uint64_t) * 8 == CL_LINE_BYTES, "a line is eight words");
